"""The transform: parity with torch's, exact inversion, streams equal to the whole."""

from __future__ import annotations

import pytest
import torch

from unmixcli.dsp.stft import InverseSTFTStream, STFTConfig, STFTStream, istft, stft

CONFIGS = [
    STFTConfig(n_fft=512, hop_samples=128),
    STFTConfig(n_fft=512, hop_samples=128, edge="reflect"),
    STFTConfig(n_fft=1024, hop_samples=384, window_samples=1024, edge="reflect"),
    STFTConfig(n_fft=1024, hop_samples=768),
    STFTConfig(n_fft=512, hop_samples=96, window_samples=301, window="hamming"),
]
LENGTHS = [1, 255, 256, 257, 511, 512, 513, 4000, 20011]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("samples", LENGTHS)
def test_inverse_returns_the_signal(config: STFTConfig, samples: int) -> None:
    signal = noise(2, samples)
    spectrum = stft(signal, config=config)
    assert spectrum.shape == (2, config.bins, config.frames(samples))
    back = istft(spectrum, config=config, samples=samples)
    # A window that is zero at its end leaves the outermost samples of a short hop badly scaled.
    torch.testing.assert_close(back, signal, atol=2e-5, rtol=0)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("samples", [513, 4000, 20011])
def test_equals_torch(config: STFTConfig, samples: int) -> None:
    signal = noise(2, samples)
    expected = torch.stft(
        signal,
        config.n_fft,
        config.hop_samples,
        window=config.window_tensor(),
        center=True,
        pad_mode="reflect" if config.edge == "reflect" else "constant",
        return_complex=True,
    )
    ours = stft(signal, config=config)
    if config.hop_samples <= config.n_fft // 2:
        assert ours.shape == expected.shape
    # A hop longer than half the window may want a frame more, to reach the signal's end.
    torch.testing.assert_close(ours[..., : expected.shape[-1]], expected, atol=1e-4, rtol=0)


def test_masked_spectrum_inverts_as_torch_does() -> None:
    config = STFTConfig(n_fft=512, hop_samples=128)
    spectrum = stft(noise(2, 5000), config=config)
    masked = spectrum * noise(*spectrum.shape, seed=1).abs()
    expected = torch.istft(masked, 512, 128, window=config.window_tensor(), length=5000)
    ours = istft(masked, config=config, samples=5000)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    ("samples", "block"),
    [(n, b) for n in LENGTHS for b in (1, 100, 1009) if b > 1 or n < 600],
)
def test_streams_equal_the_whole(config: STFTConfig, samples: int, block: int) -> None:
    signal = noise(2, samples)
    forward, inverse = STFTStream(config), InverseSTFTStream(config)
    spectra = [forward.push(part) for part in signal.split(block, dim=-1)]
    spectra.append(forward.finish())
    whole = stft(signal, config=config)
    torch.testing.assert_close(torch.cat(spectra, dim=-1), whole, atol=1e-5, rtol=0)
    parts = [inverse.push(spectrum) for spectrum in spectra]
    back = torch.cat([*parts, inverse.finish(samples)], dim=-1)
    torch.testing.assert_close(back, signal, atol=2e-5, rtol=0)


def test_empty_signal_has_no_frames() -> None:
    config = STFTConfig()
    spectrum = stft(torch.zeros(2, 0), config=config)
    assert spectrum.shape == (2, 2049, 0)
    assert istft(spectrum, config=config, samples=0).shape == (2, 0)


def test_impulse_has_flat_magnitude() -> None:
    config = STFTConfig(n_fft=64, hop_samples=16)
    signal = torch.zeros(1, 128)
    signal[0, 64] = 1.0
    magnitudes = stft(signal, config=config)[0].abs()
    torch.testing.assert_close(magnitudes[:, 4], torch.ones(33))


def test_wrong_number_of_frames_is_refused() -> None:
    config = STFTConfig(n_fft=64, hop_samples=16)
    with pytest.raises(ValueError, match="100 samples have 7 frames, but 6 were pushed"):
        istft(torch.zeros(1, 33, 6, dtype=torch.complex64), config=config, samples=100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_fft": 63},
        {"n_fft": 64, "hop_samples": 49},
        {"n_fft": 64, "hop_samples": 33, "edge": "reflect"},
        {"n_fft": 64, "hop_samples": 25, "window_samples": 48},
        {"n_fft": 64, "hop_samples": 0},
        {"n_fft": 64, "window_samples": 65},
    ],
)
def test_settings_that_cannot_invert_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        STFTConfig(**wrong)
