"""Which models there are, and which one runs when none is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import make_model
from unmixcli.errors import ModelError, UsageError
from unmixcli.models import catalogue
from unmixcli.models.catalogue import (
    broken_cards,
    choose_model,
    find_model,
    list_models,
    models_with,
)

SCORE = """
[[scores]]
stem = "{stem}"
metric = "SDR"
value = {value}
protocol = "test"
source = "test"
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of our own: three models, of which the best is not installed."""
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalogue, "builtin_folder", lambda: tmp_path / "builtin")
    add(tmp_path / "builtin" / "fair", 5.0)
    add(tmp_path / "builtin" / "good", 6.0)
    best = add(tmp_path / "builtin" / "best", 7.0)
    source = '[files.source]\nurl = "https://example.invalid/x"\n'
    card = (best / "model.toml").read_text()
    (best / "model.toml").write_text(re.sub("(sha256 = .*\n)", rf"\1{source}", card))
    (best / "vocals.safetensors").unlink()
    return tmp_path


def add(folder: Path, value: float) -> Path:
    make_model(folder)
    card = folder / "model.toml"
    # Scores stand before the files, so that a source can follow the last of these.
    head, files = card.read_text().split("\n[[files]]", 1)
    card.write_text(head + SCORE.format(stem="vocals", value=value) + "\n[[files]]" + files)
    return folder


def test_best_installed_model_runs_and_a_better_one_is_named(models: Path) -> None:
    choice = choose_model(["vocals"])
    assert choice.model.name == "good"
    assert choice.better is not None
    assert choice.better.name == "best"
    assert choice.command == "unmix models pull best"


def test_nothing_better_is_named_when_the_best_is_here(models: Path) -> None:
    add(models / "user" / "finest", 8.0)
    choice = choose_model(["vocals"])
    assert (choice.model.name, choice.better) == ("finest", None)


def test_a_model_of_the_user_hides_a_built_in_one(models: Path) -> None:
    add(models / "user" / "fair", 5.0)
    assert find_model("fair").folder == models / "user" / "fair"
    assert [model.name for model in list_models()] == ["best", "fair", "good"]


def test_the_stems_asked_for_decide(models: Path) -> None:
    make_model(models / "user" / "band", stems=("vocals", "drums", "accompaniment"))
    assert choose_model(["drums"]).model.name == "band"
    assert [model.name for model in models_with("drums")] == ["band"]


def test_unknown_stem_lists_the_known_ones(models: Path) -> None:
    with pytest.raises(UsageError, match="no model has the stems harp; known are accompaniment"):
        choose_model(["harp"])


def test_a_folder_is_a_model(models: Path, small_model: Path) -> None:
    assert find_model(str(small_model)).name == "small"


def test_a_folder_without_a_card_is_none(models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no model\.toml"):
        find_model(str(tmp_path / "empty"))


def test_a_broken_card_does_not_hide_the_others(models: Path) -> None:
    broken = add(models / "user" / "broken", 9.0)
    (broken / "model.toml").write_bytes(bytes(100))
    assert choose_model(["vocals"]).model.name == "good"
    assert [model.name for model in list_models()] == ["best", "fair", "good"]
    assert [str(broken) in str(error) for error in broken_cards()] == [True]
    with pytest.raises(ModelError, match="cannot be read as a model card"):
        find_model("broken")


def test_backing_names_work_for_every_model_with_vocals(models: Path) -> None:
    make_model(models / "user" / "band", stems=("vocals", "drums", "accompaniment"))
    band = find_model("band")
    assert band.stem_set.weights("karaoke") == {"drums": 1.0, "accompaniment": 1.0}
