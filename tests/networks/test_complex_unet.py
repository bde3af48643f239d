"""The complex-mask U-Net: shapes, bounds, the thesis' sizes and layers, and that it learns."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from unmixcli.networks.complex_unet import ComplexUNet, ComplexUNetConfig, bounded, compress


def network(**settings: Any) -> ComplexUNet:
    torch.manual_seed(0)
    return ComplexUNet(ComplexUNetConfig(**{"filters": (4, 6, 8), **settings}))


def spectrum(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex64, generator=generator)


def places(layers: nn.ModuleList, kind: type[nn.Module]) -> list[int]:
    return [n for n, layer in enumerate(layers) if any(isinstance(m, kind) for m in layer)]


@pytest.mark.parametrize("mask", ["complex", "ratio", "softmax"])
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
@pytest.mark.parametrize("time_strides", [(), (1, 2, 2), (2, 1, 1)])
@pytest.mark.parametrize(("channels", "stems"), [(1, 2), (2, 4)])
def test_masks_for_every_stem_and_channel_in_the_shape_of_the_mix(
    mask: Any, skips: bool, kernel: int, time_strides: Any, channels: int, stems: int
) -> None:
    net = network(
        mask=mask, skips=skips, kernel=kernel, time_strides=time_strides, channels=channels,
        stems=stems,
    )  # fmt: skip
    frames = 3 * net.config.multiples[1]
    masks = net.eval()(spectrum(2, channels, 16, frames))
    assert masks.shape == (2, stems, channels, 16, frames)
    assert masks.dtype == (torch.complex64 if mask == "complex" else torch.float32)
    assert masks.abs().max() < 1
    assert masks.is_contiguous()


def test_multiples_follow_the_strides() -> None:
    assert ComplexUNetConfig().multiples == (64, 64)
    assert ComplexUNetConfig(time_strides=(1, 1, 2, 2, 2, 1)).multiples == (64, 8)


def test_layers_halve_bins_and_only_some_of_them_frames() -> None:
    net, sizes = network(time_strides=(1, 2, 1)).eval(), []
    for layer in (*net.encoder, *net.decoder):
        layer.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[2:])))
    net(spectrum(1, 1, 32, 8))
    assert sizes == [(16, 8), (8, 4), (4, 4), (8, 4), (16, 8), (32, 8)]


def test_every_stem_and_part_has_an_output_of_its_own() -> None:
    """Bias k of the last layer moves one part of one channel of one stem."""
    net = network(channels=2, stems=3).eval()
    mix = spectrum(1, 2, 8, 8)
    with torch.no_grad():
        before = net(mix)
        net.decoder[-1][0].bias[7] += 0.5
        moved = torch.view_as_real(net(mix) - before).abs().amax((0, 3, 4)).flatten()
    # 7 = (stem 1, channel 1, imaginary part); the magnitude's tanh touches the real part too.
    assert moved[7] > 0.1
    assert not moved[[0, 1, 2, 3, 4, 5, 8, 9, 10, 11]].any()


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize(("mask", "parts"), [("complex", 2), ("ratio", 1)])
def test_parameters_of_the_thesis_configuration(skips: bool, mask: Any, parts: int) -> None:
    widths = [parts, 16, 32, 64, 128, 256, 512]
    count = sum(25 * a * b + b for a, b in pairwise(widths))
    count += sum(2 * b for b in widths[2:])
    came = 512
    for out in (256, 128, 64, 32, 16):
        count += 25 * came * out + out + 2 * out
        came = 2 * out if skips else out
    count += 25 * came * parts + parts
    net = ComplexUNet(ComplexUNetConfig(mask=mask, skips=skips))
    assert sum(p.numel() for p in net.parameters()) == count
    if skips:
        assert count == {2: 9_824_482, 1: 9_823_281}[parts]


def test_layers_of_the_thesis_stand_where_it_says() -> None:
    net = ComplexUNet(ComplexUNetConfig())
    assert places(net.encoder, nn.BatchNorm2d) == [1, 2, 3, 4, 5]
    assert places(net.encoder, nn.LeakyReLU) == [0, 1, 2, 3, 4, 5]
    assert places(net.decoder, nn.BatchNorm2d) == [0, 1, 2, 3, 4]
    assert places(net.decoder, nn.ReLU) == [0, 1, 2, 3, 4]
    assert places(net.decoder, nn.Dropout) == [0, 1, 2, 3, 4]
    assert {m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert {m.p for m in net.modules() if isinstance(m, nn.Dropout)} == {0.5}
    order = [nn.BatchNorm2d, nn.ReLU, nn.Dropout]
    assert [type(step) for step in net.decoder[0]][1:] == order


@pytest.mark.parametrize(("depth", "expected"), [(3, [0, 1]), (8, [0, 1, 2, 3, 4])])
def test_dropout_stands_in_five_layers_at_most_and_never_in_the_last(
    depth: int, expected: list[int]
) -> None:
    assert places(network(filters=(4,) * depth).decoder, nn.Dropout) == expected
    assert not places(network(filters=(4,) * depth, dropout=0.0).decoder, nn.Dropout)


def test_dropout_acts_in_training_only() -> None:
    net, mix = network(), spectrum(1, 1, 16, 16)
    assert not torch.equal(net.train()(mix), net.train()(mix))
    assert torch.equal(net.eval()(mix), net.eval()(mix))


def test_bounded_keeps_the_angle_and_takes_tanh_of_the_magnitude() -> None:
    outputs = spectrum(1000) * torch.logspace(-8, 3, 1000)
    result = bounded(outputs.real, outputs.imag)
    torch.testing.assert_close(result.abs(), outputs.abs().tanh(), rtol=1e-6, atol=0)
    torch.testing.assert_close(result.angle(), outputs.angle(), rtol=0, atol=1e-6)
    assert result.abs().max() <= 1 + 1e-6


@pytest.mark.parametrize("at", [0.0, 1e-6, 1e-3, 1.0])
def test_bounded_has_the_gradient_of_its_limit(at: float) -> None:
    real = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    imaginary = torch.zeros((), dtype=torch.float64, requires_grad=True)
    result = bounded(real, imaginary)
    slope, across = torch.autograd.grad(result.real, (real, imaginary), retain_graph=True)
    assert slope.item() == pytest.approx(1 - torch.tensor(at).tanh().item() ** 2, abs=1e-6)
    assert across.item() == 0
    (turn,) = torch.autograd.grad(result.imag, imaginary)
    assert turn.item() == pytest.approx(torch.tensor(at).tanh().item() / at if at else 1.0)


def test_output_zero_gives_mask_zero_and_finite_gradients() -> None:
    net = network()
    with torch.no_grad():
        net.decoder[-1][0].weight.zero_()
        net.decoder[-1][0].bias.zero_()
    mix = spectrum(1, 1, 16, 16)
    masks = net(mix)
    assert not masks.any()
    (masks * mix - mix).abs().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.decoder[-1][0].weight.grad.any()


@pytest.mark.parametrize("mask", ["complex", "ratio", "softmax"])
@pytest.mark.parametrize("compression", [0.3, 1.0])
def test_silence_has_finite_masks_and_gradients(mask: Any, compression: float) -> None:
    net = network(mask=mask, compression=compression, stems=2)
    mix = torch.zeros(1, 1, 16, 16, dtype=torch.complex64, requires_grad=True)
    masks = net(mix)
    masks.abs().sum().backward()
    assert masks.isfinite().all()
    assert mix.grad is not None
    assert mix.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("mask", ["complex", "ratio", "softmax"])
def test_every_parameter_gets_a_gradient(mask: Any) -> None:
    net = network(mask=mask, channels=2, stems=2, dropout=0.0)
    net(spectrum(2, 2, 16, 16)).abs().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_compression_acts_on_magnitudes_and_leaves_phases() -> None:
    mix = spectrum(500)
    squeezed = compress(mix, 0.3)
    torch.testing.assert_close(squeezed.abs(), mix.abs() ** 0.3)
    torch.testing.assert_close(squeezed.angle(), mix.angle())
    assert compress(mix, 1.0) is mix
    # 60 dB of level are 18 dB to the network.
    torch.testing.assert_close(compress(1000 * mix, 0.3), 1000**0.3 * squeezed)


def test_network_sees_the_compressed_mix() -> None:
    mix = spectrum(1, 1, 16, 16)
    plain, compressing = network().eval(), network(compression=0.5).eval()
    torch.testing.assert_close(compressing(mix), plain(compress(mix, 0.5)))


def test_ratio_masks_depend_on_magnitudes_alone() -> None:
    mix = spectrum(1, 2, 16, 16)
    net = network(mask="ratio", channels=2).eval()
    torch.testing.assert_close(net(mix), net(mix.abs().to(torch.complex64)))


def test_softmax_masks_sum_to_one_and_depend_on_magnitudes_alone() -> None:
    mix = spectrum(1, 2, 16, 16)
    net = network(mask="softmax", channels=2, stems=3).eval()
    masks = net(mix)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(1, 2, 16, 16))
    assert masks.min() > 0
    torch.testing.assert_close(masks, net(mix.abs().to(torch.complex64)))


def test_masks_are_formed_in_single_precision_under_autocast() -> None:
    net, mix = network().eval(), spectrum(1, 1, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = net(mix)
    assert reduced.dtype == torch.complex64
    torch.testing.assert_close(reduced, net(mix), atol=0.02, rtol=0)


@pytest.mark.parametrize("mask", ["complex", "ratio", "softmax"])
def test_it_learns_one_excerpt_of_a_tone_in_noise(mask: Any) -> None:
    torch.manual_seed(0)
    time = torch.arange(64 * 34) / 64
    window = torch.hann_window(64)

    def transform(samples: torch.Tensor) -> torch.Tensor:
        whole = torch.stft(samples, 64, 64, window=window, return_complex=True)
        return whole[None, None, :32, :32]

    parts = (transform(torch.sin(2 * torch.pi * 10 * time)), transform(0.1 * torch.randn(64 * 34)))
    stems = torch.stack(parts, dim=1)
    mix = stems.sum(1)
    net = network(filters=(16, 24, 32), stems=2, dropout=0.0, mask=mask).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(120):
        loss = (net(mix) * mix.unsqueeze(1) - stems).abs().square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


@pytest.mark.parametrize(
    ("mix", "complaint"),
    [
        (torch.zeros(1, 2, 16, 16, dtype=torch.complex64), r"complex \(batch, 1"),
        (torch.zeros(1, 1, 16, 16), "not torch.float32"),
        (torch.zeros(1, 16, 16, dtype=torch.complex64), r"complex \(batch, 1"),
        (torch.zeros(1, 1, 12, 16, dtype=torch.complex64), "multiple of 8, frames of 4"),
        (torch.zeros(1, 1, 16, 6, dtype=torch.complex64), "multiple of 8, frames of 4"),
    ],
)
def test_wrong_mixes_are_refused(mix: torch.Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        network(time_strides=(1, 2, 2))(mix)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 0}, {"stems": 0}, {"filters": ()}, {"filters": (4, 0)}, {"kernel": 1},
        {"time_strides": (2,)}, {"time_strides": (2,) * 5 + (3,)}, {"dropout": 1.0},
        {"compression": 0.0}, {"compression": 1.5}, {"stems": 1, "mask": "softmax"},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ComplexUNetConfig(**wrong)
