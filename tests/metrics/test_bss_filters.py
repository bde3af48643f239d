from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from unmixcli.metrics import bss_filters
from unmixcli.metrics.block_toeplitz import gram
from unmixcli.metrics.bss_filters import (
    Projector,
    condition_bound,
    correlate,
    cut,
    gather,
    solve,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("samples", [1, 7, 16_370, 40_000])
def test_correlations_are_sums_of_products_across_blocks(samples: int) -> None:
    left, right, taps = noise(2, samples), noise(3, samples, seed=1), 8
    found = correlate(left, right, taps=taps)
    assert found.shape == (2, 3, 2 * taps - 1)
    for lag in range(-taps + 1, taps):
        wanted = left @ cut(right, start=lag, length=samples).T
        torch.testing.assert_close(found[..., taps - 1 + lag], wanted, rtol=0, atol=1e-9)


def test_correlations_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = noise(2, 30_000), noise(2, 30_000, seed=1)
    whole = correlate(left, right, taps=16)
    monkeypatch.setattr(bss_filters, "FFT_SIZE", 128)
    monkeypatch.setattr(bss_filters, "BLOCKS_AT_ONCE", 3)
    torch.testing.assert_close(correlate(left, right, taps=16), whole, rtol=0, atol=1e-9)


def test_cut_pads_with_silence_on_both_sides() -> None:
    signal = torch.arange(1.0, 5.0)[None]
    assert cut(signal, start=-2, length=8).tolist() == [[0, 0, 1, 2, 3, 4, 0, 0]]
    assert cut(signal, start=2, length=4).tolist() == [[3, 4, 0, 0]]
    assert cut(signal, start=-9, length=3).tolist() == [[0, 0, 0]]
    assert cut(signal, start=9, length=3).tolist() == [[0, 0, 0]]


def delayed(signal: torch.Tensor, taps: int) -> torch.Tensor:
    """All delays as columns, ``(samples + taps − 1, channels · taps)``."""
    length = signal.shape[-1] + taps - 1
    rows = [cut(row[None], start=-k, length=length) for row in signal for k in range(taps)]
    return torch.cat(rows).T


def test_filters_are_the_least_squares_ones() -> None:
    references, estimates, taps = noise(4, 300), noise(4, 300, seed=1), 6
    filters = solve(gather(references, estimates, taps=taps), channels=2)
    assert filters is not None
    target = cut(estimates, start=0, length=305).T
    wanted = torch.linalg.lstsq(delayed(references, taps), target).solution
    torch.testing.assert_close(filters.joint, wanted.T.reshape(4, 4, taps), rtol=0, atol=1e-10)
    own = torch.linalg.lstsq(delayed(references[2:], taps), target).solution
    torch.testing.assert_close(filters.own[1], own.T.reshape(4, 2, taps), rtol=0, atol=1e-10)


def test_energies_are_those_of_the_projections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bss_filters, "FFT_SIZE", 32)
    monkeypatch.setattr(bss_filters, "BLOCKS_AT_ONCE", 2)
    references, estimates, taps = noise(4, 300), noise(4, 300, seed=1), 6
    filters = solve(gather(references, estimates, taps=taps), channels=2)
    assert filters is not None
    frames: dict[str, Any] = {"starts": [0, 40, 50], "length": 150}
    found = Projector(filters, pairs=True).energies(references, estimates, **frames)
    assert found.shape == (8, 2, 2, 3)
    references, estimates = references[:, 40:190], estimates[:, 40:190]
    true = cut(references[:2], start=0, length=155).T
    estimate = cut(estimates[2:], start=0, length=155).T
    joint = delayed(references, taps) @ filters.joint[2:].reshape(2, -1).T
    own = delayed(references[:2], taps) @ filters.own[0, 2:].reshape(2, -1).T
    parts = (
        true,
        estimate - true,
        own - true,
        own,
        joint - own,
        joint,
        estimate - joint,
        estimate - own,
    )
    wanted = torch.stack([part.square().sum() for part in parts])
    torch.testing.assert_close(found[:, 0, 1, 1], wanted, rtol=1e-10, atol=0)
    matching = Projector(filters, pairs=False).energies(
        references, estimates, starts=[0], length=150
    )
    torch.testing.assert_close(
        matching.diagonal(dim1=1, dim2=2),
        found[..., 1:2].diagonal(dim1=1, dim2=2),
        rtol=1e-10,
        atol=0,
    )


def test_projection_is_orthogonal_to_the_artifacts() -> None:
    references, estimates = noise(4, 5000), noise(4, 5000, seed=1)
    filters = solve(gather(references, estimates, taps=32), channels=2)
    assert filters is not None
    parts = Projector(filters, pairs=False).energies(
        references, estimates, starts=[0], length=5000
    )[..., 0]
    joint, artifacts = parts[5].diagonal(), parts[6].diagonal()
    energy = estimates.square().unflatten(0, (2, 2)).sum(dim=(1, 2))
    torch.testing.assert_close(joint + artifacts, energy, rtol=1e-10, atol=0)


@pytest.mark.parametrize("pole", [0.0, 0.9, 0.99])
def test_condition_is_bounded_from_below_and_closely(pole: float) -> None:
    white = noise(2, 20_000).numpy()
    for n in range(1, white.shape[-1]):
        white[:, n] += pole * white[:, n - 1]
    white /= np.linalg.norm(white, axis=-1, keepdims=True)
    signal = torch.from_numpy(white)
    lags = correlate(signal, signal, taps=256)
    eigenvalues = torch.linalg.eigvalsh(gram(lags).reshape(512, 512))
    true = float(eigenvalues[-1] / eigenvalues[0])
    bound = condition_bound(lags)
    assert true / 3 < bound < true * (1 + 1e-9)


def test_condition_is_infinite_for_references_that_depend_on_each_other() -> None:
    signal = noise(2, 5000)
    doubled = torch.cat((signal, signal[:1] * 1e-4))
    assert condition_bound(correlate(doubled, doubled, taps=64)) > 1e13
    silent = torch.cat((signal, torch.zeros(1, 5000, dtype=torch.float64)))
    assert condition_bound(correlate(silent, silent, taps=64)) == float("inf")


def test_condition_does_not_depend_on_levels() -> None:
    signal = noise(2, 5000)
    quiet = signal * torch.tensor([[1.0], [1e-6]], dtype=torch.float64)
    loud = condition_bound(correlate(signal, signal, taps=64))
    assert condition_bound(correlate(quiet, quiet, taps=64)) == pytest.approx(loud, rel=1e-6)


def test_a_matrix_that_is_not_positive_definite_has_no_solution() -> None:
    signal = torch.zeros(2, 100, dtype=torch.float64)
    assert solve(gather(signal, signal, taps=4), channels=1) is None
