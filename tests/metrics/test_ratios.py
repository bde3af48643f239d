from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unmixcli.errors import InputError, UsageError
from unmixcli.metrics.ratios import (
    MDX_OFFSET,
    evaluate,
    global_sdr,
    log_spectral_distance,
    nsdr,
    null_test,
    si_sdr,
    si_sdr_improvement,
    snr,
    sounding_si_sdr_improvement,
)

RATIOS = (global_sdr, snr, si_sdr, log_spectral_distance)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def orthogonal(signal: Tensor, *, seed: int = 1) -> Tensor:
    """Noise of each stem's energy that is orthogonal to the stem."""
    other = noise(*signal.shape, seed=seed)
    energy = signal.square().sum(dim=(1, 2), keepdim=True)
    other = other - signal * (other * signal).sum(dim=(1, 2), keepdim=True) / energy
    return other * (energy / other.square().sum(dim=(1, 2), keepdim=True)).sqrt()


@pytest.mark.parametrize("level_db", [-20.0, 0.0, 30.0])
@pytest.mark.parametrize("ratio", [snr, si_sdr])
def test_error_of_known_level(ratio: Callable[[Tensor, Tensor], Tensor], level_db: float) -> None:
    true = noise(3, 2, 1000)
    found = true + 10 ** (-level_db / 20) * orthogonal(true)
    torch.testing.assert_close(ratio(true, found), torch.full((3,), level_db).double())


def test_a_gain_changes_snr_and_not_si_sdr() -> None:
    true = noise(2, 2, 1000)
    found = true + 0.1 * orthogonal(true)
    torch.testing.assert_close(si_sdr(true, -3 * found), si_sdr(true, found))
    torch.testing.assert_close(snr(true, 0.9 * true), torch.full((2,), 20.0).double())


def test_global_sdr_is_that_of_the_challenge() -> None:
    true = noise(2, 2, 1000)
    true[1] = 0
    found = torch.zeros_like(true)
    energy = true[0].square().sum()
    wanted = 10 * torch.log10((energy + MDX_OFFSET) / (energy + MDX_OFFSET))
    assert global_sdr(true, found).tolist() == [float(wanted), 0.0]
    found = true + 0.1 * orthogonal(noise(2, 2, 1000))
    error = (true - found).square().sum(dim=(1, 2))
    expected = 10 * torch.log10((true.square().sum(dim=(1, 2)) + 1e-7) / (error + 1e-7))
    torch.testing.assert_close(global_sdr(true, found), expected)


def test_infinite_and_undefined() -> None:
    true = noise(2, 1, 100)
    assert snr(true, true).tolist() == [math.inf, math.inf]
    silent = torch.zeros_like(true)
    assert snr(silent, true).tolist() == [-math.inf, -math.inf]
    assert si_sdr(silent, true).isnan().all()


def test_improvement_is_zero_for_the_mixture_and_the_gain_for_halved_leakage() -> None:
    true = noise(1, 2, 1000)
    other = orthogonal(true)
    mixture = (true + other)[0]
    assert si_sdr_improvement(true, mixture[None], mixture=mixture).item() == 0
    improved = si_sdr_improvement(true, true + 0.5 * other, mixture=mixture)
    assert improved.item() == pytest.approx(20 * math.log10(2))


def test_nsdr_is_the_difference_of_mir_evals_sdr(
    mir_eval_separation: object, recwarn: pytest.WarningsRecorder
) -> None:
    true = noise(2, 1, 4000)
    found = true + 0.3 * true.flip(0) + 0.1 * noise(2, 1, 4000, seed=2)
    mixture = true.sum(dim=0)
    score = mir_eval_separation.bss_eval_sources  # type: ignore[attr-defined]
    both = mixture.expand(2, 1, -1)
    sdr = [score(true[:, 0].numpy(), x[:, 0].numpy(), False)[0] for x in (found, both)]
    wanted = torch.from_numpy(sdr[0] - sdr[1])
    torch.testing.assert_close(nsdr(true, found, mixture=mixture), wanted, rtol=0, atol=0.01)


def test_nsdr_of_the_mixture_is_zero() -> None:
    true = noise(2, 2, 3000)
    mixture = true.sum(dim=0)
    found = nsdr(true, mixture.expand_as(true), mixture=mixture, taps=16)
    assert found.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("gain_db", [-6.0, 0.0, 10.0])
def test_log_spectral_distance_of_a_gain_is_the_gain(gain_db: float) -> None:
    true = noise(2, 2, 8192)
    found = log_spectral_distance(true, true * 10 ** (gain_db / 20), n_fft=256, hop_samples=64)
    torch.testing.assert_close(found, torch.full((2,), abs(gain_db)).double(), rtol=0, atol=0.01)


def test_log_spectral_distance_between_silences_is_zero() -> None:
    silent = torch.zeros(1, 1, 4096)
    assert log_spectral_distance(silent, silent + 1e-9).item() < 1e-3


def test_null_test() -> None:
    stems = noise(3, 2, 1000)
    mixture = stems.sum(dim=0)
    assert null_test(stems, mixture=mixture) == -math.inf
    assert null_test(stems, mixture=mixture / 0.9) == pytest.approx(-20)
    assert null_test(torch.zeros_like(stems), mixture=mixture) == pytest.approx(0)
    with pytest.raises(InputError, match="mixture is silent"):
        null_test(stems, mixture=torch.zeros_like(mixture))


def test_single_precision_gives_the_score_of_double() -> None:
    true, error = noise(2, 2, 4000).float(), noise(2, 2, 4000, seed=1).float()
    found = true + 1e-3 * error
    for ratio in RATIOS:
        before = true.clone()
        assert ratio(true, found).dtype == torch.float64
        torch.testing.assert_close(ratio(true, found), ratio(true.double(), found.double()))
        assert torch.equal(true, before)


def test_evaluate_adds_improvement_where_there_is_a_mixture() -> None:
    true, mixture = noise(2, 1, 4096), noise(1, 4096, seed=2)
    assert sorted(evaluate(true, true)) == ["LSD", "SI-SDR", "SNR", "global SDR"]
    scores = evaluate(true, true * 0.9, mixture=mixture)
    torch.testing.assert_close(
        scores["SI-SDRi"], si_sdr_improvement(true, true * 0.9, mixture=mixture)
    )


@pytest.mark.parametrize("ratio", RATIOS)
def test_signals_that_are_refused(ratio: Callable[[Tensor, Tensor], Tensor]) -> None:
    true = noise(2, 1, 100)
    with pytest.raises(UsageError, match=r"\(stems, channels, samples\)"):
        ratio(true[0], true[0])
    with pytest.raises(UsageError, match="int64"):
        ratio(true.long(), true.long())
    with pytest.raises(InputError, match="differ in shape"):
        ratio(true, true[..., 1:])
    with pytest.raises(InputError, match="estimates have NaN"):
        ratio(true, true / 0)
    with pytest.raises(InputError, match="are empty"):
        ratio(true[..., :0], true[..., :0])


def test_settings_that_are_refused() -> None:
    true = noise(2, 1, 100)
    with pytest.raises(InputError, match="does not fit"):
        si_sdr_improvement(true, true, mixture=true[0, :, 1:])
    with pytest.raises(UsageError, match="hop of 0"):
        log_spectral_distance(true, true, hop_samples=0)
    with pytest.raises(TypeError, match="mixtures"):
        nsdr(true, true, mixtures=true[0])  # type: ignore[call-arg]


def test_seconds_without_a_stem_do_not_count_where_it_sounds() -> None:
    """What leaks into silence is left out; what is wrong where the stem sounds is not."""
    random = torch.Generator().manual_seed(0)
    rate = 100
    true = torch.randn(1, 2, 4 * rate, generator=random)
    true[..., rate : 3 * rate] = 0
    other = torch.randn(2, 4 * rate, generator=random)
    mixture = true[0] + other
    leaking = true + 0.1 * other
    found = sounding_si_sdr_improvement(true, leaking, mixture=mixture, sample_rate=rate)
    where = torch.cat([torch.arange(rate), torch.arange(3 * rate, 4 * rate)])
    expected = si_sdr_improvement(
        true[..., where], leaking[..., where], mixture=mixture[..., where]
    )
    torch.testing.assert_close(found, expected)
    louder = leaking.clone()
    louder[..., rate : 3 * rate] *= 100
    again = sounding_si_sdr_improvement(true, louder, mixture=mixture, sample_rate=rate)
    torch.testing.assert_close(again, found)


def test_a_stem_that_never_sounds_has_no_improvement() -> None:
    true = torch.full((1, 1, 300), 1e-4)
    mixture = torch.ones(1, 300)
    found = sounding_si_sdr_improvement(true, true, mixture=mixture, sample_rate=100)
    assert found.isnan().all()
