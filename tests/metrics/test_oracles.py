from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unmixcli.errors import InputError, UsageError
from unmixcli.metrics.oracles import (
    ORACLES,
    Transform,
    complex_ideal_ratio_mask,
    evaluate,
    ideal_ratio_mask,
    mixture_bound,
    multichannel_wiener,
)
from unmixcli.metrics.ratios import global_sdr, null_test

SHORT = Transform(n_fft=256, hop_samples=64)


def stems(count: int = 3, channels: int = 2, samples: int = 6000) -> Tensor:
    """Noise in bands that overlap, panned differently."""
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(count, 1, samples, generator=generator, dtype=torch.float64)
    spectra = torch.fft.rfft(white)
    bins = torch.linspace(0, 1, spectra.shape[-1])
    centres = torch.linspace(0.2, 0.8, count)[:, None, None]
    coloured = torch.fft.irfft(spectra * torch.exp(-(((bins - centres) / 0.15) ** 2)), n=samples)
    gains = 0.2 + torch.rand(count, channels, 1, generator=generator, dtype=torch.float64)
    return coloured * gains


@pytest.mark.parametrize("name", ["ibm", "irm1", "irm2", "mwf"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_estimates_of_masks_that_sum_to_one_sum_to_the_mixture(name: str, channels: int) -> None:
    true = stems(channels=channels)
    mixture = true.sum(dim=0)
    # The Wiener oracle's ε keeps a little of what the panning of three stems leaves singular.
    limit = -100 if name == "mwf" else -150
    assert null_test(evaluate(name, true, mixture), mixture=mixture) < limit


@pytest.mark.parametrize("name", [name for name in ORACLES if name != "mixture"])
def test_oracles_beat_the_mixture(name: str) -> None:
    true = stems()
    mixture = true.sum(dim=0)
    bound = global_sdr(true, mixture_bound(true, mixture))
    assert (global_sdr(true, evaluate(name, true, mixture)) > bound + 3).all()


def test_the_complex_mask_recovers_the_stems() -> None:
    true = stems()
    found = complex_ideal_ratio_mask(true, true.sum(dim=0), bound=1e6, transform=SHORT)
    torch.testing.assert_close(found, true, rtol=0, atol=1e-9)


def test_the_complex_masks_bound_is_a_gain() -> None:
    true = stems(count=1)
    found = complex_ideal_ratio_mask(true, 0.5 * true[0], bound=1.5, transform=SHORT)
    torch.testing.assert_close(found, 0.75 * true)


def test_stems_in_bands_of_their_own_are_recovered_by_every_mask() -> None:
    time = torch.arange(8192, dtype=torch.float64) / 8192
    true = torch.stack([torch.sin(2 * torch.pi * f * time)[None] for f in (512.0, 2048.0)])
    mixture = true.sum(dim=0)
    for name in ("ibm", "irm1", "irm2", "cirm", "mwf"):
        error = evaluate(name, true, mixture) - true
        assert error[..., 2048:-2048].abs().max() < 1e-2


def test_ratio_masks_have_the_power_asked_for() -> None:
    loud = stems(count=1)[0]
    true = torch.stack((loud, 0.5 * loud))
    mixture = true.sum(dim=0)
    for power, share in ((1, 1.5 / 2.25), (2, 1 / 1.25)):
        found = ideal_ratio_mask(true, mixture, power=power, transform=SHORT)
        torch.testing.assert_close(found[0], share * mixture if power == 2 else mixture / 1.5)


def test_the_wiener_oracle_of_one_channel_is_the_ratio_mask_of_power_two() -> None:
    true = stems(channels=1)
    mixture = true.sum(dim=0)
    wiener = multichannel_wiener(true, mixture, transform=SHORT)
    mask = ideal_ratio_mask(true, mixture, power=2, transform=SHORT)
    assert null_test(wiener[:1], mixture=mask[0]) < -80


def test_the_wiener_oracle_separates_by_direction_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    white = torch.randn(2, 1, 8000, generator=generator, dtype=torch.float64)
    angles = torch.tensor([[1.0, 0.1], [0.1, 1.0]], dtype=torch.float64)
    true = white * angles[:, :, None]
    mixture = true.sum(dim=0)
    masked = global_sdr(true, ideal_ratio_mask(true, mixture, power=2, transform=SHORT))
    filtered = global_sdr(true, multichannel_wiener(true, mixture, transform=SHORT))
    assert (filtered > masked + 20).all()


def test_silence_stays_silent() -> None:
    silent = torch.zeros(2, 2, 3000)
    for name in ORACLES:
        assert evaluate(name, silent, silent[0]).abs().max() == 0


@pytest.mark.parametrize("name", list(ORACLES))
def test_shape_type_and_input_are_kept(name: str) -> None:
    true = stems().float()
    mixture = true.sum(dim=0)
    before = true.clone(), mixture.clone()
    found = evaluate(name, true, mixture)
    assert found.shape == true.shape
    assert found.dtype == torch.float32
    assert torch.equal(true, before[0])
    assert torch.equal(mixture, before[1])


def test_settings_and_signals_that_are_refused() -> None:
    true = stems()
    mixture = true.sum(dim=0)
    with pytest.raises(UsageError, match=r"no oracle 'irm3'.*mwf"):
        evaluate("irm3", true, mixture)
    with pytest.raises(UsageError, match="power 3"):
        ideal_ratio_mask(true, mixture, power=3)
    with pytest.raises(UsageError, match="bound is 0"):
        complex_ideal_ratio_mask(true, mixture, bound=0)
    with pytest.raises(UsageError, match="hop of 200"):
        multichannel_wiener(true, mixture, transform=Transform(n_fft=256, hop_samples=200))
    with pytest.raises(InputError, match="does not fit"):
        multichannel_wiener(true, mixture[..., 1:])
    with pytest.raises(InputError, match="NaN"):
        multichannel_wiener(true, mixture / 0)
    with pytest.raises(TypeError, match="powers"):
        ideal_ratio_mask(true, mixture, powers=2)  # type: ignore[call-arg]
