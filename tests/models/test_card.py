"""Cards: what they must hold, and the one line that tells what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import make_model
from unmixcli.errors import ModelError
from unmixcli.models.card import read_card
from unmixcli.models.catalogue import list_models
from unmixcli.models.load import model_settings


def test_every_built_in_card_is_valid() -> None:
    models = list_models()
    assert "spleeter-2stems" in [model.name for model in models]
    for model in models:
        assert model.name == model.folder.name
        assert model_settings(model.card).stems == model.card.stems


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("channels = 2\n", "channels = 3\n", "channels"),
        ("sample_rate = 44100", 'sample_rate = "fast"', "sample_rate"),
        ('residual = "accompaniment"', 'residual = "drums"', "residual 'drums' is none"),
        ("training_data", "trainning_data", "training_data: Field required"),
        ("title", "colour = 1\ntitle", "colour: Extra inputs"),
        ("[stft]", "[stft", "cannot be read as a model card"),
        ("sha256 = ", "size = 1 #", "sha256, sha256_prefix or tail_md5 is needed"),
    ],
)
def test_a_wrong_card_names_the_field(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = make_model(tmp_path / "wrong") / "model.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=complaint) as raised:
        read_card(path)
    assert str(path) in str(raised.value)


def test_a_card_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot be read as a model card"):
        read_card(tmp_path / "model.toml")
