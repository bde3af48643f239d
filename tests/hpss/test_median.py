"""The median method: librosa's results, and tones and clicks where they belong."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.hpss.median import LIBROSA, MedianMethod
from unmixcli.hpss.separator import HPSSSeparator

Sound = Callable[..., Tensor]
# Of the input's peak.
TOLERANCE = 1e-5


def whole(separator: HPSSSeparator, mix: Tensor) -> Tensor:
    separator.reset()
    return torch.cat((separator.push(mix), separator.finish()), dim=-1)


def separated(mix: Tensor, **settings: float) -> Tensor:
    method = MedianMethod(**settings)  # type: ignore[arg-type]
    return whole(HPSSSeparator(method, stems=("harmonic", "percussive"), sample_rate=44100), mix)


def level_db(signal: Tensor) -> float:
    return float(10 * torch.log10(signal.double().square().mean() + 1e-20))


@pytest.mark.parametrize(
    "settings", [{}, {"margin": 3.0}, {"power": 1.0}, {"frames": 17, "bins": 7}]
)
def test_equal_to_librosa_on_spectra(settings: dict[str, float], noise: Sound) -> None:
    spectrum = stft(noise(30000, channels=2), config=LIBROSA)
    spectrum[..., 10:14] = 0
    sizes = (settings.get("frames", 31), settings.get("bins", 31))
    rest = {name: value for name, value in settings.items() if name in ("power", "margin")}
    expected = librosa.decompose.hpss(spectrum.numpy(), kernel_size=sizes, **rest)
    masks = MedianMethod(**settings).masks(spectrum.unsqueeze(0))[0]  # type: ignore[arg-type]
    difference = (masks * spectrum).numpy() - np.stack(expected)
    assert np.abs(expected).max() > 1
    assert np.abs(difference).max() < TOLERANCE * spectrum.abs().max()


@pytest.mark.parametrize("samples", [3000, 20480, 50001])
def test_equal_to_librosa_on_samples(samples: int, noise: Sound) -> None:
    mix = noise(samples)
    expected = torch.from_numpy(np.stack(librosa.effects.hpss(mix.numpy())))
    torch.testing.assert_close(separated(mix), expected, atol=TOLERANCE, rtol=0)


def test_a_tone_is_harmonic_and_a_click_percussive(tone: Sound, clicks: Sound) -> None:
    inside = slice(8192, -8192)
    for sound, row in ((tone(), 0), (clicks(), 1)):
        stems = separated(sound)[..., inside]
        assert level_db(stems[row]) - level_db(stems[1 - row]) > 30


def test_a_mix_of_both_is_told_apart(tone: Sound, clicks: Sound) -> None:
    sustained, struck = tone(), clicks()
    harmonic, percussive = separated(sustained + struck)
    inside = slice(8192, -8192)
    assert level_db((harmonic - sustained)[:, inside]) < level_db(sustained[:, inside]) - 15
    assert level_db((percussive - struck)[:, inside]) < level_db(struck[:, inside]) - 10


def test_masks_sum_to_one_and_a_margin_takes_from_both(noise: Sound) -> None:
    spectrum = stft(noise(20000), config=LIBROSA).unsqueeze(0)
    even, strict = (MedianMethod(margin=margin).masks(spectrum) for margin in (1.0, 2.0))
    torch.testing.assert_close(even.sum(1), torch.ones_like(even[:, 0]))
    assert (strict < even).all()


def test_looks_half_a_median_ahead() -> None:
    assert MedianMethod(STFTConfig(), frames=17).chunks.context == 8
