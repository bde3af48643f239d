"""Stretch, pitch shift and resampling: lengths, frequencies, positions."""

from __future__ import annotations

import math

import pytest
import torch

from unmixcli.training.augment.tempo import (
    Engine,
    available_engine,
    shifted,
    sped,
    stretched,
)

RATE = 16000
ENGINES: list[Engine] = ["phase_vocoder"]
if available_engine() == "rubberband":
    ENGINES.append("rubberband")


def tone(hz: float, samples: int = 2 * RATE) -> torch.Tensor:
    return 0.3 * torch.sin(2 * math.pi * hz * torch.arange(samples) / RATE).expand(2, -1)


def frequency_hz(signal: torch.Tensor) -> float:
    middle = signal[0, signal.shape[-1] // 4 : -signal.shape[-1] // 4]
    windowed = middle * torch.hann_window(len(middle))
    return int(torch.fft.rfft(windowed, 16 * RATE).abs().argmax()) / 16


def bursts(places: list[int], samples: int = 2 * RATE) -> torch.Tensor:
    signal = torch.zeros(1, samples)
    for place in places:
        signal[0, place : place + 200] = 0.5 * torch.sin(torch.arange(200) * 0.5)
    return signal


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("tempo", [0.8, 1.0, 1.25])
def test_stretch_changes_length_and_not_pitch(engine: Engine, tempo: float) -> None:
    out = stretched(tone(440.0), tempo=tempo, sample_rate=RATE, engine=engine)
    assert out.shape == (2, round(2 * RATE / tempo))
    assert frequency_hz(out) == pytest.approx(440, rel=0.005)
    middle = out[:, out.shape[-1] // 4 : -out.shape[-1] // 4]
    assert middle.abs().max() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("engine", ENGINES)
def test_stretch_moves_events_in_proportion(engine: Engine) -> None:
    out = stretched(bursts([16000]), tempo=0.8, sample_rate=RATE, engine=engine)
    centre = (out.square() * torch.arange(out.shape[-1])).sum() / out.square().sum()
    # The phase vocoder places sounds to within its window of 2048 samples.
    assert float(centre) == pytest.approx(16100 / 0.8, abs=700)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("semitones", [-3.0, 0.5, 12.0])
def test_shift_changes_pitch_and_not_length(engine: Engine, semitones: float) -> None:
    out = shifted(tone(440.0), semitones=semitones, sample_rate=RATE, engine=engine)
    assert out.shape == (2, 2 * RATE)
    assert frequency_hz(out) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)
    # The level, too: what keeps formants where they were would change it.
    level = float(out[:, RATE // 2 : -RATE // 2].square().mean().sqrt())
    # The phase vocoder loses 1.2 dB over an octave.
    assert level == pytest.approx(0.3 / math.sqrt(2), rel=0.15)


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_resampling_changes_both(speed: float) -> None:
    out = sped(tone(440.0), speed=speed, sample_rate=RATE)
    assert out.shape == (2, round(2 * RATE / speed))
    assert frequency_hz(out) == pytest.approx(440 * speed, rel=0.001)
    n = torch.arange(1000, 20000)
    expected = 0.3 * torch.sin(2 * math.pi * 440 * speed * n / RATE)
    torch.testing.assert_close(out[0, 1000:20000], expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("engine", ENGINES)
def test_leading_axes_are_kept(engine: Engine) -> None:
    signal = torch.stack((tone(440.0), tone(660.0), tone(880.0)))
    out = shifted(signal, semitones=2.0, sample_rate=RATE, engine=engine)
    assert out.shape == signal.shape
    for stem, hz in zip(out, (440, 660, 880), strict=True):
        assert frequency_hz(stem) == pytest.approx(hz * 2 ** (2 / 12), rel=0.005)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan])
def test_impossible_tempi_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="tempo must be positive"):
        stretched(tone(440.0), tempo=wrong, sample_rate=RATE)
    with pytest.raises(ValueError, match="speed must be positive"):
        sped(tone(440.0), speed=wrong, sample_rate=RATE)
