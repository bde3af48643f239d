"""Masks: they sum to one, stay in range, have finite gradients, and follow their formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.masks import (
    binary_mask,
    bounded_complex_mask,
    complex_ratio_mask,
    mixture_consistency,
    ratio_mask,
    soft_mask,
)

Mask = Callable[[Tensor], Tensor]

MASKS: dict[str, Mask] = {
    "ratio 1": partial(ratio_mask, exponent=1),
    "ratio 2": partial(ratio_mask, exponent=2),
    "ratio eps": partial(ratio_mask, eps=1e-3),
    "soft 0.5": partial(soft_mask, power=0.5),
    "soft 2": soft_mask,
    "soft 40": partial(soft_mask, power=40.0),
    "binary": binary_mask,
}
SMOOTH = {name: mask for name, mask in MASKS.items() if name != "binary"}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def magnitudes(stems: int = 3, *, level: float = 1.0) -> Tensor:
    """Two songs of two channels, with silent bins, one silent stem and equal stems among them."""
    values = torch.rand(2, stems, 2, 6, 5, generator=rng()) * level
    values[..., 0, :] = 0
    values[:, 0, :, 1] = 0
    values[..., 2, :] = level
    return values


def spectrograms(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=rng())


@pytest.mark.parametrize("level", [1e-12, 1e-4, 1.0, 1e4])
@pytest.mark.parametrize("stems", [1, 2, 3, 6])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_masks_share_each_bin(mask: Mask, stems: int, level: float) -> None:
    given = magnitudes(stems, level=level)
    shares = mask(given)
    assert shares.shape == given.shape
    assert shares.min() >= 0
    assert shares.max() <= 1
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, 2, 6, 5), rtol=0, atol=1e-6)


@pytest.mark.parametrize("mask", SMOOTH.values(), ids=SMOOTH.keys())
def test_silence_is_shared_equally(mask: Mask) -> None:
    shares = mask(torch.zeros(4, 1, 2, 3))
    torch.testing.assert_close(shares, torch.full((4, 1, 2, 3), 0.25))


@pytest.mark.parametrize("mask", SMOOTH.values(), ids=SMOOTH.keys())
def test_gradients_are_finite_at_silence(mask: Mask) -> None:
    given = magnitudes().requires_grad_()
    weights = torch.rand(given.shape, generator=rng(1))
    (mask(given) * weights).sum().backward()
    assert given.grad is not None
    assert torch.isfinite(given.grad).all()
    assert given.grad.abs().max() > 0


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_the_input_is_left_alone(mask: Mask) -> None:
    given = magnitudes()
    copy = given.clone()
    mask(given)
    assert torch.equal(given, copy)


@pytest.mark.parametrize("exponent", [1, 2])
def test_ratio_mask_is_the_share_of_the_power(exponent: int) -> None:
    given = torch.tensor([3.0, 1.0]).reshape(2, 1, 1, 1)
    expected = torch.tensor([3.0**exponent, 1.0]) / (3**exponent + 1)
    torch.testing.assert_close(ratio_mask(given, exponent=exponent).flatten(), expected)


def test_ratio_mask_adds_its_eps_to_the_power_once() -> None:
    given = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1)
    shares = ratio_mask(given, exponent=1, eps=1.0)
    torch.testing.assert_close(shares.flatten(), torch.tensor([0.75, 0.25]))


@pytest.mark.parametrize("margin", [1.0, 1.5, 4.0])
@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_soft_mask_compares_powers(power: float, margin: float) -> None:
    given = torch.rand(2, 1, 20, 20, generator=rng()) + 1e-3
    mine, other = given**power, (margin * given.flip(0)) ** power
    shares = soft_mask(given, power=power, margin=margin)
    torch.testing.assert_close(shares, mine / (mine + other), rtol=1e-4, atol=1e-6)


def test_soft_mask_is_one_half_at_its_margin() -> None:
    # 3 against others of √(1.2² + 0.9²) = 1.5 is a ratio of 2.
    given = torch.tensor([3.0, 1.2, 0.9]).reshape(3, 1, 1, 1)
    assert float(soft_mask(given, power=2.0, margin=2.0)[0]) == pytest.approx(0.5)


def test_soft_mask_leaves_a_residual_to_its_margin() -> None:
    given = magnitudes()
    sums = soft_mask(given, margin=3.0).sum(dim=1)
    assert sums.max() <= 1
    assert sums[..., 2, :].max() < 0.3


def test_soft_mask_tends_to_the_binary_mask() -> None:
    given = torch.rand(3, 2, 5, 5, generator=rng())
    torch.testing.assert_close(soft_mask(given, power=1e5), binary_mask(given))


def test_binary_mask_gives_a_bin_to_the_loudest_stem() -> None:
    given = torch.tensor([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0], [2.0, 2.0, 0.0]])
    shares = binary_mask(given.reshape(3, 1, 1, 3)).reshape(3, 3)
    expected = [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert shares.tolist() == expected


@pytest.mark.parametrize("radius", [1e-20, 1e-6, 0.009999, 0.010001, 0.5, 3.0, 1e4])
def test_bounded_complex_mask_is_tanh_of_the_magnitude(radius: float) -> None:
    angles = torch.linspace(-3.1, 3.1, 50)
    mask = bounded_complex_mask(torch.polar(torch.full_like(angles, radius), angles))
    expected = torch.full_like(angles, math.tanh(radius))
    torch.testing.assert_close(mask.abs(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(mask.angle(), angles)


def test_bounded_complex_mask_has_its_limit_at_zero() -> None:
    output = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    mask = bounded_complex_mask(output)
    assert torch.equal(mask, torch.zeros(3, dtype=torch.complex64))
    mask.real.sum().backward()
    # Near zero the mask is the output itself, so the derivative of its real part is 1.
    torch.testing.assert_close(output.grad, torch.ones(3, dtype=torch.complex64))


def test_bounded_complex_mask_has_the_gradient_of_its_formula() -> None:
    output = torch.tensor([0.005 + 0.001j, 0.02j, 1 - 2j, -0.3 + 0j], dtype=torch.complex128)
    assert torch.autograd.gradcheck(bounded_complex_mask, output.requires_grad_())


def test_complex_ratio_masks_give_the_stems_back() -> None:
    stems = spectrograms(3, 2, 6, 5)
    mix = stems.sum(dim=0)
    masks = complex_ratio_mask(stems, mix)
    torch.testing.assert_close(masks * mix, stems, rtol=1e-4, atol=1e-5)


def test_complex_ratio_masks_sum_to_one_in_silence_too() -> None:
    stems = spectrograms(4, 3, 2, 6, 5)
    stems[..., 0, :] = 0
    sums = complex_ratio_mask(stems, stems.sum(dim=1)).sum(dim=1)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-4)


def test_complex_ratio_masks_have_finite_gradients_in_silence() -> None:
    stems = torch.zeros(2, 1, 3, 3, dtype=torch.complex64, requires_grad=True)
    complex_ratio_mask(stems, stems.sum(dim=0)).abs().sum().backward()
    assert stems.grad is not None
    assert torch.isfinite(torch.view_as_real(stems.grad)).all()


WEIGHTS = {
    "equal": None,
    "one a stem": torch.tensor([1.0, 0.0, 3.0]),
    "powers": spectrograms(3, 2, 6, 5).abs().square(),
    "a song": torch.rand(4, 3, 1, 1, 1, generator=rng()),
    "silent": torch.zeros(3, 2, 6, 5),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
def test_consistent_stems_sum_to_the_mix(weights: Tensor | None) -> None:
    stems, mix = spectrograms(4, 3, 2, 6, 5), 10 * spectrograms(4, 2, 6, 5)
    consistent = mixture_consistency(stems, mix, weights=weights)
    torch.testing.assert_close(consistent.sum(dim=1), mix, rtol=1e-5, atol=1e-5)


def test_consistency_spreads_the_residual_by_weight() -> None:
    stems, mix = torch.zeros(3, 1, 1, 1), torch.full((1, 1, 1), 8.0)
    assert mixture_consistency(stems, mix).flatten().tolist() == pytest.approx([8 / 3] * 3)
    weights = torch.tensor([1.0, 0.0, 3.0])
    consistent = mixture_consistency(stems, mix, weights=weights)
    assert consistent.flatten().tolist() == [2.0, 0.0, 6.0]


def test_consistent_stems_stay_as_they_are() -> None:
    stems = spectrograms(3, 2, 6, 5)
    consistent = mixture_consistency(stems, stems.sum(dim=0))
    torch.testing.assert_close(consistent, stems, rtol=0, atol=1e-6)


def test_consistency_of_samples() -> None:
    stems, mix = torch.rand(2, 4, 2, 50, generator=rng()), torch.rand(2, 2, 50, generator=rng(1))
    weights = torch.tensor([0.0, 0.0, 0.0, 1.0])
    consistent = mixture_consistency(stems, mix, weights=weights, stem_dim=-3)
    assert torch.equal(consistent[:, :3], stems[:, :3])
    torch.testing.assert_close(consistent[:, 3], mix - stems[:, :3].sum(dim=1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: ratio_mask(m, exponent=3), "exponent=2"),
        (lambda m: ratio_mask(m, eps=0.0), "eps"),
        (lambda m: ratio_mask(m[0, 0]), "axes"),
        (lambda m: binary_mask(m[0, 0]), "axes"),
        (lambda m: soft_mask(m[0, 0]), "axes"),
        (lambda m: soft_mask(m, power=0.0), "power"),
        (lambda m: soft_mask(m, power=math.inf), "binary_mask"),
        (lambda m: soft_mask(m, power=math.nan), "power"),
        (lambda m: soft_mask(m, margin=0.9), "margin"),
        (lambda m: soft_mask(m, eps=-1.0), "eps"),
        (bounded_complex_mask, "complex"),
        (lambda m: complex_ratio_mask(m, m), "does not fit"),
        (lambda m: complex_ratio_mask(m, m[:, 0], eps=0.0), "eps"),
        (lambda m: mixture_consistency(m, m), "does not fit"),
        (lambda m: mixture_consistency(m, m[:, 0], stem_dim=1), "stem_dim"),
        (lambda m: mixture_consistency(m, m[:, 0], weights=torch.ones(2)), "do not fit"),
        (lambda m: mixture_consistency(m, m[:, 0], weights=torch.ones(6, 5)), "do not fit"),
        (lambda m: mixture_consistency(m, m[:, 0], weights=-torch.ones(3)), "negative"),
    ],
)
def test_ranges_are_checked(call: Mask, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(magnitudes())
