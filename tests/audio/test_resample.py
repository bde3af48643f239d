from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unmixcli.audio.blocks import Block
from unmixcli.audio.resample import Resampler, resample, resampled_length

RATES = [(44100, 48000), (48000, 44100), (44100, 16000), (8000, 44100), (192000, 44100)]


def _streamed(array: Block, block: int, from_rate: int, to_rate: int) -> Block:
    resampler = Resampler(from_rate, to_rate=to_rate, channels=array.shape[0])
    parts = [
        resampler.push(array[:, start : start + block]) for start in range(0, array.shape[1], block)
    ]
    return np.concatenate([*parts, resampler.finish()], axis=1)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_output_does_not_depend_on_block_lengths(
    noise: Callable[..., Block], from_rate: int, to_rate: int
) -> None:
    array = noise(2, 50_021)
    whole = resample(array, from_rate=from_rate, to_rate=to_rate)
    for block in (17, 1009, 44100):
        np.testing.assert_array_equal(_streamed(array, block, from_rate, to_rate), whole)


@pytest.mark.parametrize(("from_rate", "to_rate"), [*RATES, (44100, 44101), (3, 2)])
@pytest.mark.parametrize("samples", [0, 1, 2, 99, 1000, 12345])
def test_length_is_the_rounded_up_quotient(from_rate: int, to_rate: int, samples: int) -> None:
    expected = int(np.ceil(samples * to_rate / from_rate))
    assert resampled_length(samples, from_rate=from_rate, to_rate=to_rate) == expected
    array = np.ones((1, samples), np.float32)
    there = resample(array, from_rate=from_rate, to_rate=to_rate)
    assert there.shape == (1, expected)
    back = resampled_length(expected, from_rate=to_rate, to_rate=from_rate)
    assert samples <= back <= samples + -(-from_rate // to_rate)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_sine_stays_the_same_sine(from_rate: int, to_rate: int) -> None:
    """Delay, gain and distortion at once: the error lies 120 dB below the sine."""
    times = np.arange(from_rate) / from_rate
    sine = np.sin(2 * np.pi * 1000 * times).astype(np.float32)[np.newaxis]
    out = resample(sine, from_rate=from_rate, to_rate=to_rate)[0]
    ideal = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / to_rate)
    inner = slice(len(out) // 4, -len(out) // 4)
    error_db = 10 * np.log10(np.mean((out - ideal)[inner] ** 2) / 0.5)
    assert error_db < -120


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    times = np.arange(48000) / 48000
    sine = np.sin(2 * np.pi * 12000 * times).astype(np.float32)[np.newaxis]
    out = resample(sine, from_rate=48000, to_rate=16000)[0, 2000:-2000]
    assert np.abs(out).max() < 1e-5


def test_equal_rates_change_nothing(noise: Callable[..., Block]) -> None:
    array = noise(2, 1000)
    np.testing.assert_array_equal(resample(array, from_rate=44100, to_rate=44100), array)


def test_the_input_is_not_changed(noise: Callable[..., Block]) -> None:
    array = noise(2, 1000)
    kept = array.copy()
    resample(array, from_rate=44100, to_rate=16000)
    np.testing.assert_array_equal(array, kept)


def test_wrong_shapes_and_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="start at 1"):
        Resampler(0, to_rate=44100, channels=1)
    with pytest.raises(ValueError, match=r"\(2, samples\)"):
        Resampler(44100, to_rate=48000, channels=2).push(np.zeros((1, 10), np.float32))
