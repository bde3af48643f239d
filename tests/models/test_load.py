"""Which settings a card gives: those of spectra with an stft, of samples without."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from demucs_for_tests import htdemucs, model_folder
from unmixcli.errors import ModelError
from unmixcli.models.adapters import unet_masks
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import load_model, model_settings
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.models.waveform import WaveformModel, WaveformSettings

CPU = torch.device("cpu")
STFT = "[stft]\nn_fft = 512\nhop_samples = 128\n"


def test_the_stft_decides_what_a_model_is(small_model: Path, tmp_path: Path) -> None:
    spectral = find_model(str(small_model))
    assert isinstance(model_settings(spectral.card), SpectralSettings)
    assert isinstance(load_model(spectral, device=CPU), SpectralModel)
    waveform = model_folder(tmp_path / "demucs", {"all": htdemucs()})
    settings = model_settings(waveform.card)
    assert isinstance(settings, WaveformSettings)
    assert settings.stems == waveform.card.stems
    network = load_model(waveform, device=CPU)
    assert isinstance(network, WaveformModel)
    assert network.device == CPU
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_masks_without_an_stft_are_refused(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = shutil.copytree(small_model, tmp_path / "masks") / "model.toml"
    card.write_text(card.read_text().replace(STFT, ""))
    model = find_model(str(card.parent))
    with pytest.raises(ModelError, match="names no stft, which unet_masks needs"):
        load_model(model, device=CPU)
    # As an architecture that looks at the transform while it is built.
    monkeypatch.setattr(unet_masks, "build", lambda card, paths, settings: settings.stft)
    with pytest.raises(ModelError, match="names no stft, which unet_masks needs"):
        load_model(model, device=CPU)


def test_samples_with_an_stft_are_refused(tmp_path: Path) -> None:
    card = model_folder(tmp_path / "demucs", {"all": htdemucs()}).folder / "model.toml"
    card.write_text(card.read_text() + STFT)
    with pytest.raises(ModelError, match="names an stft, but demucs has its own"):
        load_model(find_model(str(card.parent)), device=CPU)


def test_chunks_that_do_not_advance_are_refused(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "demucs", {"all": htdemucs()})
    card = model.folder / "model.toml"
    card.write_text(card.read_text().replace("overlap = ", "overlap = 9"))
    with pytest.raises(ModelError, match="leave too little"):
        load_model(find_model(str(card.parent)), device=CPU)
