from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unmixcli.metrics import block_toeplitz
from unmixcli.metrics.block_toeplitz import factorise, gram, solve
from unmixcli.metrics.bss_filters import correlate, cut


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lags(count: int, taps: int, *, pole: float = 0.0) -> Tensor:
    """Correlations of coloured noise whose channels depend on each other."""
    signal = noise(count, 4000)
    response = pole ** torch.arange(200, dtype=torch.float64)
    signal = torch.fft.irfft(torch.fft.rfft(signal) * torch.fft.rfft(response, n=4000), n=4000)
    signal = signal + 0.5 * signal.roll(1, 0).roll(2, 1)
    return correlate(signal, signal, taps=taps)


def test_gram_is_the_product_of_the_delayed_signals() -> None:
    signal, taps = noise(3, 200), 5
    columns = torch.cat(
        [cut(row[None], start=-k, length=204) for row in signal for k in range(taps)]
    ).T
    matrix = gram(correlate(signal, signal, taps=taps)).reshape(15, 15)
    torch.testing.assert_close(matrix, columns.T @ columns, rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("pole", [0.0, 0.9, 0.999])
def test_the_factor_is_that_of_cholesky(count: int, pole: float) -> None:
    correlations = lags(count, 40, pole=pole)
    factor = factorise(correlations)
    assert factor is not None
    assert torch.equal(factor, factor.triu())
    matrix = gram(correlations).permute(1, 0, 3, 2).reshape(count * 40, -1)
    largest = float(matrix.abs().max())
    torch.testing.assert_close(factor.T @ factor, matrix, rtol=0, atol=1e-13 * largest)


@pytest.mark.parametrize("structured", [True, False])
def test_solutions_solve(structured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_toeplitz, "_LEAST_STRUCTURED", 0 if structured else 1000)
    correlations, right = lags(3, 20, pole=0.5), noise(3, 20, 4, seed=1)
    found = solve(correlations, right)
    assert found is not None
    product = torch.einsum("paqb,qbr->par", gram(correlations), found)
    torch.testing.assert_close(product, right, rtol=0, atol=1e-9)


@pytest.mark.parametrize("structured", [True, False])
def test_matrices_that_are_not_positive_definite(
    structured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_toeplitz, "_LEAST_STRUCTURED", 0 if structured else 1000)
    right = noise(2, 20, 1)
    zero = torch.zeros(2, 2, 39, dtype=torch.float64)
    assert solve(zero, right) is None
    # A lag that is larger than the energy cannot be a correlation.
    wrong = lags(2, 20)
    wrong[0, 0, [18, 20]] = 2 * wrong[0, 0, 19]
    assert solve(wrong, right) is None


def test_nothing_is_changed() -> None:
    correlations, right = lags(2, 20), noise(2, 20, 3)
    before = correlations.clone(), right.clone()
    factorise(correlations)
    solve(correlations, right)
    assert torch.equal(correlations, before[0])
    assert torch.equal(right, before[1])
