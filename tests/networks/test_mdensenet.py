from __future__ import annotations

import pytest
import torch

from unmixcli.networks.mdensenet import DenseBlock, MDenseNet, MDenseNetConfig

SMALL = {"growth": 3, "layers": 2, "depth": 2, "first": 4}


def network(**settings) -> MDenseNet:
    torch.manual_seed(0)
    return MDenseNet(MDenseNetConfig(**{**SMALL, **settings}))


@pytest.mark.parametrize(("channels", "stems"), [(1, 2), (2, 3)])
def test_a_mask_for_every_stem_and_channel(channels: int, stems: int) -> None:
    masks = network(channels=channels, stems=stems)(torch.rand(2, channels, 8, 12))
    assert masks.shape == (2, stems, channels, 8, 12)
    assert masks.min() > 0
    assert masks.max() < 1


def test_there_is_a_branch_for_each_shape_of_kernel() -> None:
    net = network()
    assert [branch.first.kernel_size for branch in net.branches] == [(3, 3), (13, 3), (3, 13)]
    for branch, shape in zip(net.branches, net.config.kernels, strict=True):
        blocks = [m for m in branch.modules() if isinstance(m, DenseBlock)]
        assert len(blocks) == 2 * net.config.depth + 1
        assert all(layer[2].kernel_size == shape for block in blocks for layer in block.layers)


def test_layers_of_a_block_see_all_before_them() -> None:
    block = DenseBlock(5, 3, 4, (3, 3))
    assert [layer[2].in_channels for layer in block.layers] == [5, 8, 11, 14]
    assert block(torch.rand(1, 5, 4, 4)).shape == (1, 12, 4, 4)


def test_tall_kernels_see_bins_and_wide_ones_frames() -> None:
    """One layer by itself: how far a change is heard along both axes."""
    net = network().eval()
    seen = torch.zeros(1, 1, 32, 32, requires_grad=True)
    for branch, kernel in zip(net.branches, net.config.kernels, strict=True):
        (grad,) = torch.autograd.grad(branch.first(seen)[0, :, 16, 16].sum(), seen)
        heard = grad[0, 0] != 0
        assert (heard.any(1).sum(), heard.any(0).sum()) == kernel


def test_the_encoders_bottoms_stand_beside_each_other() -> None:
    net = network()
    bottoms = net.bottoms(torch.rand(2, 1, 8, 12))
    assert bottoms.shape == (2, 3 * 6, 2, 3)


def test_every_parameter_learns() -> None:
    net = network()
    net(torch.rand(2, 1, 8, 8)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 1, 6, 8), (1, 1, 8, 6), (1, 8, 8)])
def test_wrong_shapes(shape) -> None:
    with pytest.raises(ValueError, match=r"expected|multiples of 4"):
        network()(torch.rand(shape))


@pytest.mark.parametrize(
    "wrong", [{"growth": 0}, {"kernels": ()}, {"kernels": ((2, 3),)}, {"compression": 0.0}]
)
def test_wrong_settings(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        network(**wrong)
