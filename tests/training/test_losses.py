"""The losses: closed forms, masks, and finite gradients where formulas divide by zero."""

from __future__ import annotations

import math

import pytest
import torch

from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.training.losses import LOSSES, spectrum

CONFIG = STFTConfig(n_fft=512, hop_samples=128)
SHAPE = (2, 3, 2, 4000)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def value(name: str, estimate: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    loss = LOSSES[name]
    if loss.domain == "spectrum":
        estimate, target = spectrum(estimate, config=CONFIG), spectrum(target, config=CONFIG)
    return loss.function(estimate, target)


@pytest.mark.parametrize("name", LOSSES)
def test_one_value_for_each_batch_and_stem(name: str) -> None:
    estimate, target = noise(*SHAPE), noise(*SHAPE, seed=1)
    values = value(name, estimate, target)
    assert values.shape == (2, 3)
    alone = value(name, estimate[1:, 2:], target[1:, 2:])
    torch.testing.assert_close(values[1:, 2:], alone)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"sdr", "si_sdr"}))
def test_distances_are_zero_for_equals_and_positive_otherwise(name: str) -> None:
    target = noise(*SHAPE)
    torch.testing.assert_close(value(name, target, target), torch.zeros(2, 3), atol=1e-6, rtol=0)
    assert (value(name, 1.1 * target, target) > 1e-4).all()
    assert (value(name, noise(*SHAPE, seed=1), target) > 1e-4).all()


@pytest.mark.parametrize("name", LOSSES)
def test_closer_costs_less(name: str) -> None:
    target, other = noise(*SHAPE), noise(*SHAPE, seed=1)
    near, far = value(name, target + 0.1 * other, target), value(name, target + other, target)
    assert (near < far).all()


def test_sdr_is_minus_the_cosine() -> None:
    target, other = noise(*SHAPE), noise(*SHAPE, seed=1)
    ones = torch.ones(2, 3)
    torch.testing.assert_close(value("sdr", target, target), -ones)
    torch.testing.assert_close(value("sdr", -target, target), ones)
    torch.testing.assert_close(value("sdr", 3 * target, target), -ones)
    cosine = torch.nn.functional.cosine_similarity(target.flatten(2), other.flatten(2), dim=-1)
    torch.testing.assert_close(value("sdr", other, target), -cosine, atol=1e-6, rtol=1e-4)


def test_sdr_against_silence_costs_what_is_heard() -> None:
    silence = torch.zeros(1, 1, 2, 1000)
    assert value("sdr", silence, silence) == 0
    assert value("sdr", silence, noise(1, 1, 2, 1000)) == 0
    torch.testing.assert_close(value("sdr", silence + 1e-3, silence), torch.tensor([[0.5]]))
    assert 0.999 < value("sdr", silence + 0.5, silence) < 1


def test_si_sdr_knows_the_angle_and_not_the_scale() -> None:
    target = torch.zeros(1, 1, 1, 1000)
    target[..., ::2] = 0.5
    orthogonal = 0.5 - target
    # A tenth of the amplitude at right angles: 20 dB.
    estimate = target + 0.1 * orthogonal
    torch.testing.assert_close(
        value("si_sdr", estimate, target), torch.tensor([[-20.0]]), atol=1e-3, rtol=0
    )
    for scale in (0.1, 4.0, -1.0):
        torch.testing.assert_close(
            value("si_sdr", scale * estimate, target),
            value("si_sdr", estimate, target),
            atol=1e-3,
            rtol=0,
        )
    assert -80.001 < value("si_sdr", target, target) < -70
    assert value("si_sdr", 0 * target, 0 * target) == 0
    assert 0 < value("si_sdr", target, 0 * target) <= 80.001


def test_kl_of_a_constant_ratio_is_closed_form() -> None:
    target = torch.ones(1, 1, 1, 4, 5, dtype=torch.complex64)
    kl = LOSSES["kl_magnitude"].function(2 * target, target)
    torch.testing.assert_close(kl, torch.tensor([[1 - math.log(2)]]), atol=2e-3, rtol=0)


def test_spectrum_losses_ignore_phase() -> None:
    target = spectrum(noise(1, 2, 1, 2000), config=CONFIG)
    turned = target * torch.exp(torch.tensor(1.3j))
    for loss in LOSSES.values():
        if loss.domain == "spectrum":
            torch.testing.assert_close(
                loss.function(turned, target), torch.zeros(1, 2), atol=1e-6, rtol=0
            )


def test_log_magnitude_of_a_gain_is_the_gain() -> None:
    target = 100 * torch.ones(1, 1, 1, 4, 5, dtype=torch.complex64)
    loss = LOSSES["log_magnitude"].function(math.e * target, target)
    torch.testing.assert_close(loss, torch.tensor([[1.0]]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("estimate_gain", [0.0, 1e-20, 1.0])
@pytest.mark.parametrize("target_gain", [0.0, 1e-20, 1.0])
def test_values_and_gradients_are_finite_on_silence(
    name: str, estimate_gain: float, target_gain: float
) -> None:
    estimate = (estimate_gain * noise(1, 1, 2, 3000)).requires_grad_()
    loss = value(name, estimate, target_gain * noise(1, 1, 2, 3000, seed=1)).sum()
    loss.backward()
    assert loss.isfinite()
    assert estimate.grad is not None
    assert estimate.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_leads_to_the_target(name: str) -> None:
    target = noise(1, 1, 1, 3000)
    estimate = (target + 0.5 * noise(1, 1, 1, 3000, seed=1)).requires_grad_()
    loss = value(name, estimate, target).sum()
    (gradient,) = torch.autograd.grad(loss, estimate)
    step = 1e-4 * gradient / gradient.square().mean().sqrt()
    assert value(name, (estimate - step).detach(), target).sum() < loss


@pytest.mark.parametrize("name", LOSSES)
def test_inputs_stay_as_they_were(name: str) -> None:
    estimate, target = noise(*SHAPE), noise(*SHAPE, seed=1)
    value(name, estimate, target)
    assert torch.equal(estimate, noise(*SHAPE))
    assert torch.equal(target, noise(*SHAPE, seed=1))


@pytest.mark.parametrize("edge", ["zeros", "reflect"])
@pytest.mark.parametrize("samples", [100, 256, 257, 4000])
def test_spectrum_equals_the_streaming_transform(edge: str, samples: int) -> None:
    config = STFTConfig(n_fft=512, hop_samples=128, window_samples=400, edge=edge)  # type: ignore[arg-type]
    signal = noise(2, 3, samples)
    torch.testing.assert_close(
        spectrum(signal, config=config), stft(signal, config=config), atol=1e-4, rtol=0
    )
