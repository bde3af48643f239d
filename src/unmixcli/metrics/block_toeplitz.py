"""Gram matrices of delayed signals: block-Toeplitz, so that lags are all there is to know.

The correlations of P signals at lags 1 − taps … taps − 1, ``(P, P, 2 · taps − 1)`` with entry
``[p, q, taps − 1 + lag]`` the sum of ``p[n] · q[n + lag]``, stand for the matrix of the inner
products of all signals with delays 0 … taps − 1. Rows and columns are ordered signal first
(``gram``) or delay first (``factorise``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]

# Below this many rows the general Cholesky is faster than a step for each delay.
_LEAST_STRUCTURED = 2048


def gram(correlations: Tensor) -> Tensor:
    """Assemble the matrix: ``[p, a, q, b]`` is the product of p delayed by a and q delayed by b.

    Shape: ``(P, P, 2 · taps − 1)`` → ``(P, taps, P, taps)``.
    """
    taps = (correlations.shape[-1] + 1) // 2
    # [p, q, a, b] = r_pq(a − b): a window of the reversed lags that slides back by one a row.
    windows = correlations.flip(-1).unfold(-1, taps, 1).flip(-2)
    return windows.permute(0, 2, 1, 3).contiguous()


def solve(correlations: Tensor, right: Tensor) -> Tensor | None:
    """Solve the normal equations; None where the matrix is not positive definite to rounding.

    Shape: ``(P, P, 2 · taps − 1)`` and ``(P, taps, Q)`` → ``(P, taps, Q)``.
    """
    count, taps = right.shape[:2]
    size = count * taps
    if size <= _LEAST_STRUCTURED or right.device.type != "cpu":
        return _solve_dense(gram(correlations).view(size, size), right)
    factor = factorise(correlations)
    if factor is None:
        return None
    turned = right.transpose(0, 1).reshape(size, -1)
    delayed = torch.cholesky_solve(turned, factor, upper=True).unflatten(0, (taps, count))
    solution: Tensor = delayed.transpose(0, 1)
    return solution


def factorise(correlations: Tensor) -> Tensor | None:
    """Cholesky factor by the block Schur algorithm, in P³ · taps² steps instead of (P · taps)³ / 3.

    The matrix minus itself shifted down and right by one block is ``XᵀX − YᵀY`` with X and Y one
    block high. X is a block row of the factor; shifting it by one block and turning the first
    block of Y to zero by a hyperbolic rotation gives the next. The rotation
    ``X′ = C⁻ᵀ (X − WᵀY), Y′ = D Y − D⁻ᵀ W Cᵀ X′`` with ``W = Y₀ X₀⁻¹``, ``CᵀC = I − WᵀW`` and
    ``DᵀD = I − WWᵀ`` computes Y′ from the new X′, which keeps the error at that of a Cholesky
    factorisation (Bojanczyk, Brent and de Hoog, 1993; Kailath and Sayed, 1995).

    Shape: ``(P, P, 2 · taps − 1)`` → upper triangular ``(taps · P, taps · P)``, delay first; None
    where the matrix is not positive definite to rounding.
    """
    lags = correlations.numpy()
    count, taps = lags.shape[0], (lags.shape[-1] + 1) // 2
    factor = np.zeros((taps * count, taps * count))
    try:
        first = np.linalg.cholesky(lags[..., taps - 1]).T
        row = lags[..., taps - 1 :: -1].swapaxes(1, 2).reshape(count, -1)
        plus = minus = np.linalg.solve(first.T, row)
        for start in range(0, taps * count, count):
            if start > 0:
                plus, minus = _turn(plus[:, :-count], minus[:, count:])
            factor[start : start + count, start:] = plus
    except np.linalg.LinAlgError:
        return None
    return torch.from_numpy(factor).triu_()


def _turn(plus: Array, minus: Array) -> tuple[Array, Array]:
    """Rotate so that the first block of ``minus`` vanishes.

    In NumPy, because PyTorch's threads would meet some five times a step to share next to nothing.
    """
    one = np.eye(len(plus))
    first = np.triu(plus[:, : len(plus)])
    ratio = np.linalg.solve(first.T, minus[:, : len(plus)].T).T
    cosine = np.linalg.cholesky(one - ratio.T @ ratio).T
    other = np.linalg.cholesky(one - ratio @ ratio.T).T
    turned = np.linalg.inv(cosine.T) @ (plus - ratio.T @ minus)
    back = np.linalg.solve(other.T, ratio @ cosine.T)
    return turned, other @ minus - back @ turned


def _solve_dense(matrix: Tensor, right: Tensor) -> Tensor | None:
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if bool(failed):
        return None
    solution: Tensor = torch.cholesky_solve(right.flatten(0, 1), factor).reshape_as(right)
    return solution
