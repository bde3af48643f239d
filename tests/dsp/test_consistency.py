"""Consistency of spectra: closed forms of the projection, streams equal to the whole."""

from __future__ import annotations

import math

import pytest
import torch

from unmixcli.dsp.consistency import InconsistencyStream, inconsistency, longest
from unmixcli.dsp.stft import STFTConfig, istft, stft

CONFIG = STFTConfig(n_fft=512, hop_samples=128)
CONFIGS = [
    CONFIG,
    STFTConfig(n_fft=1024, hop_samples=768),
    STFTConfig(n_fft=512, hop_samples=96, window_samples=301, window="hamming"),
]


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("samples", [1, 600, 20011])
def test_spectra_of_a_signal_are_consistent(config: STFTConfig, samples: int) -> None:
    spectra = stft(noise(2, samples), config=config)
    assert inconsistency(spectra, config=config) < -110
    assert inconsistency(spectra, config=config, samples=samples) < -110


def test_reflecting_edges_want_the_length() -> None:
    config = STFTConfig(n_fft=512, hop_samples=128, edge="reflect")
    spectra = stft(noise(2, 5000), config=config)
    assert inconsistency(spectra, config=config, samples=5000) < -110


@pytest.mark.parametrize("hop", [64, 128, 256])
def test_noise_is_consistent_by_the_share_of_dimensions(hop: int) -> None:
    """STFT(iSTFT(S)) is an orthogonal projection: of n_fft values a frame it leaves a hop."""
    config = STFTConfig(n_fft=512, hop_samples=hop)
    parts = noise(2, 257, 400, 2)
    spectra = torch.view_as_complex(parts)
    expected = 10 * math.log10(1 - hop / 512)
    assert inconsistency(spectra, config=config) == pytest.approx(expected, abs=0.05)


def test_it_is_the_energy_of_the_difference() -> None:
    spectra = stft(noise(2, 5000), config=CONFIG) * noise(2, 257, 1).abs()
    again = stft(istft(spectra, config=CONFIG, samples=5000), config=CONFIG)
    ratio = (spectra - again).abs().square().sum() / spectra.abs().square().sum()
    expected = 10 * math.log10(float(ratio))
    assert inconsistency(spectra, config=CONFIG, samples=5000) == pytest.approx(expected, abs=1e-3)
    assert inconsistency(spectra * 1e-3, config=CONFIG, samples=5000) == pytest.approx(
        expected, abs=1e-3
    )


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("size", [1, 7])
def test_streams_equal_the_whole(config: STFTConfig, size: int) -> None:
    spectra = stft(noise(2, 9000), config=config).abs().to(torch.complex64)
    stream = InconsistencyStream(config)
    for _ in range(2):
        for part in spectra.split(size, dim=-1):
            stream.push(part)
        expected = inconsistency(spectra, config=config, samples=9000)
        assert stream.finish(9000) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_the_longest_signal_has_so_many_frames(config: STFTConfig, frames: int) -> None:
    samples = longest(frames, config=config)
    assert config.frames(samples) == frames
    assert config.frames(samples + 1) == frames + 1


def test_silence_is_consistent() -> None:
    silent = torch.zeros(2, 257, 9, dtype=torch.complex64)
    assert inconsistency(silent, config=CONFIG) == -math.inf
    assert inconsistency(silent[..., :0], config=CONFIG) == -math.inf


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="frames"):
        inconsistency(stft(noise(2, 5000), config=CONFIG), config=CONFIG, samples=9999)
    with pytest.raises(ValueError, match="push"):
        InconsistencyStream(CONFIG).finish()
