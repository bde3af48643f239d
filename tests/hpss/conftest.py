"""Sounds whose harmonic and percussive parts are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

RATE = 44100

Sound = Callable[..., Tensor]


@pytest.fixture
def tone() -> Sound:
    """Three sustained sines, `(1, samples)`."""

    def make(samples: int = RATE) -> Tensor:
        time = torch.arange(samples, dtype=torch.float64) / RATE
        sines = [torch.sin(2 * torch.pi * hz * time) for hz in (440.0, 1500.0, 5200.0)]
        return 0.1 * torch.stack(sines).sum(0, keepdim=True).float()

    return make


@pytest.fixture
def clicks() -> Sound:
    """A sample of full scale four times a second, `(1, samples)`."""

    def make(samples: int = RATE) -> Tensor:
        signal = torch.zeros(1, samples)
        signal[:, RATE // 8 :: RATE // 4] = 1.0
        return signal

    return make


@pytest.fixture
def noise() -> Sound:
    """White noise, `(channels, samples)`."""

    def make(samples: int = RATE, *, channels: int = 1) -> Tensor:
        rng = torch.Generator().manual_seed(samples)
        return torch.rand((channels, samples), generator=rng) - 0.5

    return make
