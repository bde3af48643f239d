"""Gain, polarity, channel swap and tremolo."""

from __future__ import annotations

import math

import pytest
import torch

from unmixcli.training.augment.draw import Draw
from unmixcli.training.augment.level import channel_swap, gain, polarity, pulsed, scaled, tremolo

RATE = 8000


def draw(strength: float = 1.0, seed: int = 0) -> Draw:
    return Draw(RATE, strength, torch.Generator().manual_seed(seed))


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 0.0, 12.0])
def test_gain_is_in_db(gain_db: float) -> None:
    signal = noise(2, 100)
    ratio = scaled(signal, gain_db=gain_db).norm() / signal.norm()
    assert 20 * math.log10(ratio) == pytest.approx(gain_db, abs=1e-5)


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_drawn_gains_fill_their_range(strength: float) -> None:
    one = torch.ones(1, 1)
    levels = [20 * math.log10(gain(one, draw(strength, seed))) for seed in range(300)]
    assert max(levels) <= 12 * strength
    assert min(levels) >= -12 * strength
    assert max(levels) > 11 * strength
    assert min(levels) < -11 * strength


def test_polarity_flips() -> None:
    signal = noise(2, 100)
    assert torch.equal(polarity(signal, draw()), -signal)


def test_channels_swap_and_swap_back() -> None:
    signal = noise(2, 100)
    swapped = channel_swap(signal, draw())
    assert torch.equal(swapped, torch.stack((signal[1], signal[0])))
    assert torch.equal(channel_swap(swapped, draw()), signal)
    assert torch.equal(channel_swap(signal[:1], draw()), signal[:1])


@pytest.mark.parametrize("effect", [polarity, channel_swap])
def test_strength_is_how_likely(effect: object) -> None:
    signal = noise(2, 3)
    assert callable(effect)
    changed = [not torch.equal(effect(signal, draw(0.5, seed)), signal) for seed in range(400)]
    assert 150 < sum(changed) < 250


def test_tremolo_moves_between_its_bounds() -> None:
    gains = pulsed(torch.ones(1, RATE), sample_rate=RATE, rate_hz=5.0, depth=0.8)
    assert gains.min() == pytest.approx(0.2, abs=1e-4)
    assert gains.max() == pytest.approx(1.0, abs=1e-4)
    spectrum = torch.fft.rfft(gains - gains.mean()).abs()
    assert int(spectrum.argmax()) == 5


@pytest.mark.parametrize("seed", range(10))
def test_drawn_tremolo_never_amplifies_nor_negates(seed: int) -> None:
    gains = tremolo(torch.ones(2, 3 * RATE), draw(seed=seed))
    assert gains.min() >= 0
    assert gains.max() <= 1
    assert torch.equal(gains[0], gains[1])
