"""A network among the methods: its own masks, each channel by itself for a mono one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models_for_tests import ConstantMasks, ContextMasks, settings
from unmixcli.hpss.learned import LearnedMethod
from unmixcli.hpss.method import PAIR


def spectra(*shape: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(*shape, 257, 64, dtype=torch.complex64, generator=rng)


def test_masks_are_the_network_s() -> None:
    network = ContextMasks(settings(stems=PAIR), [1.0, 1.0])
    mix = spectra(3, 2)
    method = LearnedMethod(network)
    assert method.chunks == network.settings.chunks
    torch.testing.assert_close(method.masks(mix), network.masks(mix, stems=PAIR))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_mono_network_takes_each_channel_by_itself(channels: int) -> None:
    network = ContextMasks(settings(stems=PAIR, channels=1), [1.0, 1.0])
    mix = spectra(3, channels)
    masks = LearnedMethod(network).masks(mix)
    assert masks.shape == (3, 2, channels, 257, 64)
    for channel in range(channels):
        alone = network.masks(mix[:, channel : channel + 1], stems=PAIR)
        torch.testing.assert_close(masks[:, :, channel], alone[:, :, 0])


def test_the_order_is_harmonic_percussive_whatever_the_card_says() -> None:
    network = ConstantMasks(settings(stems=PAIR[::-1]), [0.25, 0.75])
    masks = LearnedMethod(network).masks(spectra(1, 2))
    assert [float(mask.mean()) for mask in masks[0]] == [0.75, 0.25]
