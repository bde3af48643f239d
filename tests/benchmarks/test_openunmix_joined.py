"""Open-Unmix's stems as one network: the masks of one after another, whichever way."""

from __future__ import annotations

import pytest
import torch

from benchmarks.openunmix_joined import WAYS, ways
from unmixcli.networks.openunmix import OpenUnmix


@pytest.fixture(scope="module")
def nets() -> list[OpenUnmix]:
    """Every parameter and statistic at random, so that none that is left out goes unnoticed."""
    torch.manual_seed(0)
    made = []
    for _ in range(3):
        net = OpenUnmix(33, nb_channels=2, hidden_size=8, max_bin=20).eval().requires_grad_(False)
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 0.9)
        made.append(net)
    return made


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS[1:])
def test_masks_are_the_same(nets: list[OpenUnmix], way: str) -> None:
    mix = torch.rand(2, 2, 33, 17)
    known = ways(nets)
    expected = known[WAYS[0]](mix)
    assert expected.shape == (2, 3, 2, 33, 17)
    assert expected.std() > 1e-3
    torch.testing.assert_close(known[way](mix), expected, atol=1e-4, rtol=1e-5)
