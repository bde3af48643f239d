"""Moving delays and the phaser."""

from __future__ import annotations

import math

import pytest
import torch

from unmixcli.training.augment.draw import Draw
from unmixcli.training.augment.modulation import Sweep, blended, chorus, delayed, flanger
from unmixcli.training.augment.phaser import phased, phaser

RATE = 16000


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("samples", [0, 1, 160, 9999])
def test_a_resting_delay_shifts(samples: int) -> None:
    signal = noise(2, 1000)
    out = delayed(signal, sweep=Sweep(samples / RATE, 0.0, 1.0), sample_rate=RATE)
    expected = torch.nn.functional.pad(signal, (samples, 0))[:, :1000]
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_half_a_sample_is_the_mean_of_two() -> None:
    signal = noise(1, 1000)
    out = delayed(signal, sweep=Sweep(0.5 / RATE, 0.0, 1.0), sample_rate=RATE)
    torch.testing.assert_close(out[:, 1:], (signal[:, 1:] + signal[:, :-1]) / 2)


def test_a_ramp_shows_the_delay() -> None:
    ramp = torch.arange(8000.0)[None]
    sweep = Sweep(0.010, 0.004, 2.0, 0.3)
    shown = (ramp - delayed(ramp, sweep=sweep, sample_rate=RATE))[0, 400:]
    time_s = torch.arange(400, 8000) / RATE
    expected = RATE * (0.010 + 0.004 * torch.sin(2 * math.pi * 2.0 * time_s + 0.3))
    torch.testing.assert_close(shown, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("sign", [1, -1])
def test_blending_makes_a_comb(sign: int) -> None:
    """With a delay of 1 ms 1000 Hz is in phase and 500 Hz against it."""
    time_s = torch.arange(RATE) / RATE
    sweep = Sweep(0.001, 0.0, 1.0)
    for hz, kept in ((1000, sign > 0), (500, sign < 0)):
        tone = torch.sin(2 * math.pi * hz * time_s)[None]
        out = blended(tone, sweep=sweep, wet=float(sign), sample_rate=RATE)[:, 100:]
        assert out.abs().max() == pytest.approx(1.0 if kept else 0.0, abs=1e-3)


@pytest.mark.parametrize("effect", [chorus, flanger])
@pytest.mark.parametrize("seed", range(5))
def test_peaks_do_not_grow(effect: object, seed: int) -> None:
    assert callable(effect)
    out = effect(noise(2, 8000), Draw(RATE, 1.0, torch.Generator().manual_seed(seed)))
    assert out.abs().max() <= 1 + 1e-6


def test_a_sweep_into_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="depth_s must lie"):
        Sweep(0.001, 0.002, 1.0)


@pytest.mark.parametrize(("stages", "kept"), [(2, 0.0), (4, 1.0)])
def test_phaser_turns_each_stage_by_a_quarter(stages: int, kept: float) -> None:
    """At the centre two stages are half a turn, which cancels; four a whole one, which adds."""
    time_s = torch.arange(RATE) / RATE
    tone = torch.sin(2 * math.pi * 1000 * time_s)[None]
    centres = torch.full((RATE // 512 + 1,), 1000.0)
    out = phased(tone, sample_rate=RATE, centres_hz=centres, wet=1.0, stages=stages)
    # The first and the last frames see the tone begin and end.
    assert out[:, 2048:-2048].abs().max() == pytest.approx(kept, abs=0.01)


def test_phaser_without_wet_is_the_signal() -> None:
    signal = noise(2, 5000)
    centres = torch.full((5000 // 512 + 1,), 1000.0)
    out = phased(signal, sample_rate=RATE, centres_hz=centres, wet=0.0)
    torch.testing.assert_close(out, signal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_phaser_does_not_amplify(seed: int) -> None:
    signal = noise(2, 8000)
    out = phaser(signal, Draw(RATE, 1.0, torch.Generator().manual_seed(seed)))
    assert out.norm() < signal.norm()
