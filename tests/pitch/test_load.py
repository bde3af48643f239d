"""From names to streams, and what has no pitch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unmixcli.errors import ModelError, UsageError
from unmixcli.pitch.load import load_stream, pitch_model

CPU = torch.device("cpu")


def test_a_model_of_stems_gives_no_pitch(small_model: Path) -> None:
    with pytest.raises(UsageError, match=r"gives no pitch; models that do: .*deep-salience-vocal"):
        load_stream(small_model, device=CPU)


def test_weights_that_are_missing_tell_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="unmix models pull deep-salience-multif0"):
        load_stream("deep-salience-multif0", device=CPU)


def test_an_architecture_that_gives_no_salience(tmp_path: Path) -> None:
    text = (pitch_model("deep-salience-vocal").folder / "model.toml").read_text()
    wrong = text.replace('"deep_salience"', '"unet_masks"')
    (tmp_path / "model.toml").write_text(wrong)
    with pytest.raises(ModelError, match="'unet_masks' gives no pitch; there are deep_salience"):
        load_stream(tmp_path, device=CPU)
