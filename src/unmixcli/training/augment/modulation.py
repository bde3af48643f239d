"""Effects of a moving delay: chorus and flanger."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.training.augment.draw import Draw, untouched_at_zero

_CHORUS_VOICES = 3


@dataclass(frozen=True)
class Sweep:
    """A delay that moves as a sine.

    Attributes:
        delay_s: its middle, seconds.
        depth_s: its greatest distance from the middle, seconds; at most the middle.
        rate_hz: of the sine.
        phase: of the sine, radians.
    """

    delay_s: float
    depth_s: float
    rate_hz: float
    phase: float = 0.0

    def __post_init__(self) -> None:
        """Check that nothing is taken from the future."""
        if not 0 <= self.depth_s <= self.delay_s:
            raise ValueError(f"depth_s must lie in 0..{self.delay_s}, not {self.depth_s}")


def delayed(signal: Tensor, *, sweep: Sweep, sample_rate: int) -> Tensor:
    """Delay by a moving time, with linear interpolation and silence before the start.

    Shape: `(..., channels, samples)`, kept.
    """
    time = torch.arange(signal.shape[-1], dtype=torch.float64, device=signal.device)
    sine = torch.sin(2 * math.pi * sweep.rate_hz / sample_rate * time + sweep.phase)
    # One sample later, for a zero before the start.
    place = (time + 1 - sample_rate * (sweep.delay_s + sweep.depth_s * sine)).clamp_min(0)
    before = place.floor().long()
    part = (place - before).to(signal.dtype)
    padded = torch.nn.functional.pad(signal, (1, 1))
    return (1 - part) * padded[..., before] + part * padded[..., before + 1]


def blended(signal: Tensor, *, sweep: Sweep, wet: float, sample_rate: int) -> Tensor:
    """Add the delayed signal at the amplitude `wet` and scale to the old greatest peak.

    Shape: `(..., channels, samples)`, kept.
    """
    moved = delayed(signal, sweep=sweep, sample_rate=sample_rate)
    return (signal + wet * moved) / (1 + abs(wet))


@untouched_at_zero
def chorus(signal: Tensor, draw: Draw) -> Tensor:
    """Blend with three copies that drift by 1 to 4 ms about 7 to 25 ms.

    Shape: `(..., channels, samples)`, kept.
    """
    out = signal
    for _ in range(_CHORUS_VOICES):
        sweep = Sweep(
            delay_s=draw.uniform(0.007, 0.025),
            depth_s=draw.uniform(0.001, 0.004),
            rate_hz=draw.log_uniform(0.2, 2.0),
            phase=draw.uniform(0.0, 2 * math.pi),
        )
        wet = draw.strength * draw.uniform(0.2, 0.6)
        moved = delayed(signal, sweep=sweep, sample_rate=draw.sample_rate)
        out = (out + wet * moved) / (1 + wet)
    return out


@untouched_at_zero
def flanger(signal: Tensor, draw: Draw) -> Tensor:
    """Blend with a copy, of either sign, that sweeps between 0.1 and at most 8 ms.

    The copy is not fed back.

    Shape: `(..., channels, samples)`, kept.
    """
    depth_s = draw.log_uniform(0.0005, 0.004)
    sweep = Sweep(
        delay_s=depth_s + 0.0001,
        depth_s=depth_s,
        rate_hz=draw.log_uniform(0.1, 1.0),
        phase=draw.uniform(0.0, 2 * math.pi),
    )
    sign = 1 if draw.uniform() < 0.5 else -1
    wet = sign * draw.strength * draw.uniform(0.4, 1.0)
    return blended(signal, sweep=sweep, wet=wet, sample_rate=draw.sample_rate)
