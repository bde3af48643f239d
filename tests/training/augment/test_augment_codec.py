"""The round trip through a codec: no lag, no other length, worse at fewer bits."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from unmixcli.training.augment.codec import coded
from unmixcli.training.augment.convolution import convolved

CODECS: list[Literal["mp3", "aac"]] = ["mp3", "aac"]


def music(*shape: int) -> torch.Tensor:
    """Noise with the falling spectrum of music, which codecs keep."""
    white = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return 0.1 * convolved(white, impulse=0.8 ** torch.arange(50.0))


def lag(one: torch.Tensor, other: torch.Tensor) -> int:
    size = 2 * one.shape[-1]
    product = torch.fft.rfft(other, size) * torch.fft.rfft(one, size).conj()
    place = int(torch.fft.irfft(product, size).argmax())
    return place if place < size // 2 else place - size


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
@pytest.mark.parametrize("kbps", [48, 128])
@pytest.mark.parametrize("channels", [1, 2])
def test_there_is_no_lag(codec: Literal["mp3", "aac"], rate: int, kbps: int, channels: int) -> None:
    signal = music(channels, 20001)
    out = coded(signal, codec=codec, bitrate_kbps=kbps, sample_rate=rate)
    assert out.shape == signal.shape
    assert [lag(a, b) for a, b in zip(signal, out, strict=True)] == [0] * channels


@pytest.mark.parametrize("codec", CODECS)
def test_more_bits_are_closer_up_to_both_ends(codec: Literal["mp3", "aac"]) -> None:
    signal = music(2, 30000)

    def error(kbps: float, part: slice) -> float:
        out = coded(signal, codec=codec, bitrate_kbps=kbps, sample_rate=44100)
        return float((out - signal)[:, part].norm() / signal[:, part].norm())

    assert error(256, slice(None)) < 0.5 * error(64, slice(None))
    for end in (slice(0, 2000), slice(-2000, None)):
        assert error(256, end) < 1.5 * error(256, slice(None))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("samples", [1, 576, 1024, 1152, 5000])
def test_any_length_is_kept(codec: Literal["mp3", "aac"], samples: int) -> None:
    signal = music(3, 2, samples)
    out = coded(signal, codec=codec, bitrate_kbps=128, sample_rate=44100)
    assert out.shape == signal.shape
    again = coded(signal[1:2], codec=codec, bitrate_kbps=128, sample_rate=44100)
    assert torch.equal(out[1:2], again)


def test_what_a_codec_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="mp3 has the sample rates"):
        coded(music(2, 100), codec="mp3", bitrate_kbps=128, sample_rate=96000)
    with pytest.raises(ValueError, match="one or two channels, not 3"):
        coded(music(3, 100), codec="aac", bitrate_kbps=128, sample_rate=44100)
