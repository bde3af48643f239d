"""Masks of 3W-MDenseNet: their bins, their sum, and what the network sees."""

from __future__ import annotations

import pytest
import torch

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig
from unmixcli.models.adapters.mdensenet import MDenseNetMasks, Parameters
from unmixcli.models.spectral import SpectralSettings
from unmixcli.networks.mdensenet import MDenseNet, MDenseNetConfig

STEMS = ("harmonic", "percussive")


def model(**parameters: object) -> MDenseNetMasks:
    settings = SpectralSettings(
        stems=STEMS,
        sample_rate=8000,
        channels=1,
        stft=STFTConfig(n_fft=512, hop_samples=128),
        chunks=ChunkConfig(length=16, context=4, multiple=4),
    )
    config = MDenseNetConfig(growth=3, layers=1, depth=2, first=3)
    torch.manual_seed(0)
    chosen = Parameters.model_validate(parameters)
    return MDenseNetMasks(settings, MDenseNet(config).eval(), chosen).eval()


def mix(frames: int = 16) -> torch.Tensor:
    return torch.randn(
        1, 1, 257, frames, dtype=torch.complex64, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("bins", [None, 128])
def test_ratio_masks_sum_to_one_on_every_bin(bins: int | None) -> None:
    masks = model(bins=bins).masks(mix(), stems=STEMS)
    assert masks.shape == (1, 2, 1, 257, 16)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(1, 1, 257, 16), atol=1e-5, rtol=0)


def test_bins_above_follow_the_edge_and_are_not_seen() -> None:
    narrow, spectrum = model(bins=128), mix()
    masks = narrow.masks(spectrum, stems=STEMS)
    edge = masks[..., 64:128, :].mean(dim=-2)
    torch.testing.assert_close(masks[..., 128, :], edge)
    torch.testing.assert_close(masks[..., 256, :], edge)
    louder = spectrum.clone()
    louder[..., 128:, :] *= 100
    torch.testing.assert_close(narrow.masks(louder, stems=STEMS), masks)
    assert not torch.allclose(
        model().masks(louder, stems=STEMS), model().masks(spectrum, stems=STEMS)
    )


def test_stems_come_in_the_order_asked_for() -> None:
    masks = model(bins=128).masks(mix(), stems=STEMS)
    torch.testing.assert_close(model(bins=128).masks(mix(), stems=STEMS[::-1]), masks.flip(1))


@pytest.mark.parametrize(("bins", "why"), [(130, "multiples of 4"), (260, "at most 257")])
def test_bins_must_fit(bins: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        model(bins=bins)
