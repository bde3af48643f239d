"""Reverberation by an impulse response, given or made of decaying noise."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from unmixcli.training.augment.convolution import convolved
from unmixcli.training.augment.draw import Draw, untouched_at_zero

_DECAY_S = (0.2, 1.5)
_DELAY_S = (0.0, 0.03)


def decaying_noise(
    *, channels: int, sample_rate: int, decay_s: float, generator: Generator
) -> Tensor:
    """Make the tail of a room: Gaussian noise that falls by 60 dB in `decay_s` (Moorer 1979).

    Independent channels, each of energy 1.

    Shape: `(channels, taps)`, taps of `decay_s`.
    """
    taps = max(1, round(decay_s * sample_rate))
    fall = 10 ** (-3 * torch.arange(taps) / taps)
    tail = torch.randn((channels, taps), generator=generator) * fall
    return tail / tail.square().sum(-1, keepdim=True).sqrt()


def reverberated(signal: Tensor, *, impulse: Tensor, wet: float) -> Tensor:
    """Add the reverberation by `impulse` at the amplitude `wet` to the signal.

    Shape: `(..., channels, samples)`, kept; the impulse `(channels or 1, taps)`.
    """
    return signal + wet * convolved(signal, impulse=impulse)


@untouched_at_zero
def reverb(signal: Tensor, draw: Draw) -> Tensor:
    """Add a room of 0.2 to 1.5 s that begins after up to 30 ms, at most as loud as the signal.

    Shape: `(..., channels, samples)`, kept.
    """
    tail = decaying_noise(
        channels=signal.shape[-2],
        sample_rate=draw.sample_rate,
        decay_s=draw.log_uniform(*_DECAY_S),
        generator=draw.generator,
    )
    delay = round(draw.uniform(*_DELAY_S) * draw.sample_rate)
    impulse = torch.nn.functional.pad(tail, (delay, 0))
    return reverberated(signal, impulse=impulse, wet=draw.strength * draw.uniform(0.2, 1.0))
