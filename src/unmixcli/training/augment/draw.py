"""Where random settings come from: a rate, a strength and a seeded generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Draw:
    """What an effect needs to draw its settings.

    Attributes:
        sample_rate: of the signal, Hz.
        strength: 0 (no effect) to 1.
        generator: on the CPU; each draw moves it on.
    """

    sample_rate: int
    strength: float
    generator: Generator

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, not {self.sample_rate}")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must lie in 0..1, not {self.strength}")

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number evenly between two others, of any strength."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def log_uniform(self, low: float, high: float) -> float:
        """A positive number whose logarithm is even, of any strength."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def either_way(self, most: float) -> float:
        """A number evenly between -most and most, both times the strength."""
        return self.strength * self.uniform(-most, most)

    def noise(self, *shape: int) -> Tensor:
        """Gaussian noise of variance 1."""
        return torch.randn(shape, generator=self.generator)


Effect = Callable[[Tensor, Draw], Tensor]


def untouched_at_zero(effect: Effect) -> Effect:
    """Let strength 0, or a signal without samples, pass to the bit."""

    @wraps(effect)
    def guarded(signal: Tensor, draw: Draw) -> Tensor:
        if signal.ndim < 2:
            raise ValueError(
                f"a signal must be (..., channels, samples), not {tuple(signal.shape)}"
            )
        if not draw.strength or not signal.numel():
            return signal
        return effect(signal, draw)

    return guarded
