"""Effects that multiply samples or exchange channels: gain, polarity, channel swap, tremolo."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unmixcli.training.augment.draw import Draw, untouched_at_zero

_GAIN_DB = 12.0
_TREMOLO_HZ = (0.5, 10.0)


def scaled(signal: Tensor, *, gain_db: float) -> Tensor:
    """Change the level.

    Shape: `(..., channels, samples)`, kept.
    """
    return signal * 10 ** (gain_db / 20)


@untouched_at_zero
def gain(signal: Tensor, draw: Draw) -> Tensor:
    """Change the level by up to 12 dB either way.

    Shape: `(..., channels, samples)`, kept.
    """
    return scaled(signal, gain_db=draw.either_way(_GAIN_DB))


@untouched_at_zero
def polarity(signal: Tensor, draw: Draw) -> Tensor:
    """Negate all samples; the strength is how likely.

    Shape: `(..., channels, samples)`, kept.
    """
    return -signal if draw.uniform() < draw.strength else signal


@untouched_at_zero
def channel_swap(signal: Tensor, draw: Draw) -> Tensor:
    """Reverse the order of channels (Uhlich et al. 2017, section 3); the strength is how likely.

    Shape: `(..., channels, samples)`, kept.
    """
    return signal.flip(-2) if draw.uniform() < draw.strength else signal


def pulsed(
    signal: Tensor, *, sample_rate: int, rate_hz: float, depth: float, phase: float = 0.0
) -> Tensor:
    """Move the gain as a sine between 1 - depth and 1; `phase` in radians.

    Shape: `(..., channels, samples)`, kept.
    """
    time_s = torch.arange(signal.shape[-1], dtype=torch.float64, device=signal.device) / sample_rate
    sine = torch.sin(2 * math.pi * rate_hz * time_s + phase)
    return signal * (1 - depth * (0.5 + 0.5 * sine)).to(signal.dtype)


@untouched_at_zero
def tremolo(signal: Tensor, draw: Draw) -> Tensor:
    """Pulse the gain at 0.5 to 10 Hz, at strength 1 down to anywhere between 0.7 and 0.

    Shape: `(..., channels, samples)`, kept.
    """
    return pulsed(
        signal,
        sample_rate=draw.sample_rate,
        rate_hz=draw.log_uniform(*_TREMOLO_HZ),
        depth=draw.strength * draw.uniform(0.3, 1.0),
        phase=draw.uniform(0.0, 2 * math.pi),
    )
