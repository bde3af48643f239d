"""Convolution and rooms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unmixcli.training.augment.convolution import convolved
from unmixcli.training.augment.reverb import decaying_noise, reverberated


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("taps", [1, 2, 77, 300, 1000])
@pytest.mark.parametrize("samples", [1, 5, 300])
def test_convolution_equals_numpy(samples: int, taps: int) -> None:
    signal, impulse = noise(2, samples), noise(2, taps, seed=1)
    ours = convolved(signal, impulse=impulse)
    expected = [np.convolve(s, h)[:samples] for s, h in zip(signal, impulse, strict=True)]
    np.testing.assert_allclose(ours, np.array(expected), atol=1e-4)


def test_tail_falls_by_60_db_and_has_energy_1() -> None:
    tail = decaying_noise(
        channels=2, sample_rate=16000, decay_s=1.0, generator=torch.Generator().manual_seed(0)
    )
    assert tail.shape == (2, 16000)
    torch.testing.assert_close(tail.square().sum(-1), torch.ones(2))
    levels = 10 * tail.square().reshape(2, 10, 1600).mean(-1).log10()
    torch.testing.assert_close(
        levels[:, 0] - levels[:, -1], torch.full((2,), 54.0), atol=1.5, rtol=0
    )
    # Independent channels: the correlation is of the order of one over the root of the taps.
    assert abs(float((tail[0] * tail[1]).sum())) < 0.1


def test_reverberation_is_added_to_the_signal() -> None:
    signal = torch.zeros(1, 100)
    signal[0, 10] = 1.0
    impulse = torch.tensor([[0.0, 0.0, 0.5, 0.25]])
    out = reverberated(signal, impulse=impulse, wet=0.8)
    expected = signal.clone()
    expected[0, 12], expected[0, 13] = 0.4, 0.2
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


def test_noise_gains_the_energy_of_the_tail() -> None:
    """Signal and tail are not correlated, so that energies add."""
    signal = noise(1, 100000)
    tail = decaying_noise(
        channels=1, sample_rate=8000, decay_s=0.3, generator=torch.Generator().manual_seed(1)
    )
    delayed = torch.nn.functional.pad(tail, (10, 0))
    ratio = reverberated(signal, impulse=delayed, wet=1.0).norm() / signal.norm()
    assert float(ratio) == pytest.approx(math.sqrt(2), rel=0.02)
