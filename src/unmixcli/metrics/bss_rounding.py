"""BSS Eval in the arithmetic of museval, operation by operation, for matrices that are singular.

Where references have empty bands (the low-pass of a lossy codec) or equal channels (mono in a
stereo file), the Gram matrix of their delays is singular to working precision: whole directions of
the filters are decided by rounding alone, and so are the scores. Two correct programs then
disagree by tens of decibels. To give the numbers that museval and mir_eval give, this module does
what they do in the same order (transforms of the same length, LU instead of Cholesky, sums in the
same order), but transforms each signal once and factorises each matrix once. It needs SciPy and
runs on the processor; half the spectrum of every reference channel is held in memory, 8 bytes
times the next power of two of the length.

Signals are ``(channels, samples)``, the channels of all stems in one row, as in ``bss_filters``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unmixcli.errors import ResourceError

Array = npt.NDArray[Any]
# 256 KiB of complex values.
_LEAST_SWAPPED = 16384


class RoundingProjector:
    """Filters of one span and their projections; the counterpart of ``bss_filters.Projector``."""

    def __init__(
        self, references: Tensor, estimates: Tensor, *, channels: int, taps: int, pairs: bool
    ) -> None:
        self._pairs = pairs
        self._fft, self._lapack = _scipy()
        self._channels = channels
        self._taps = taps
        sources, targets = _double(references), _double(estimates)
        spectra = _Spectra(self._fft, sources, taps=taps)
        matrix = spectra.gram()
        right = spectra.cross(targets, channels=channels)
        self._joint = self._solve(matrix, right)
        self._own = self._solve_own(matrix, right)

    def energies(
        self, references: Tensor, estimates: Tensor, *, starts: Sequence[int], length: int
    ) -> Tensor:
        """As ``bss_filters.Projector.energies``."""
        frames = [
            self._frame(
                _double(references[:, start : start + length]),
                _double(estimates[:, start : start + length]),
            )
            for start in starts
        ]
        return torch.from_numpy(np.stack(frames, axis=-1))

    def _frame(self, sources: Array, targets: Array) -> Array:
        stems = self._own.shape[0]
        result = np.zeros((8, stems, stems))
        for k in range(stems):
            target = targets[self._rows(k)]
            joint = self._project(self._joint[self._rows(k)], sources)
            for j in range(stems) if self._pairs else (k,):
                own = self._project(self._own[j, self._rows(k)], sources[self._rows(j)])
                result[:, j, k] = _energies(sources[self._rows(j)], own, joint, target)
        return result

    def _rows(self, stem: int) -> slice:
        return slice(stem * self._channels, (stem + 1) * self._channels)

    def _solve(self, matrix: Array, right: Array) -> Array:
        """Filters ``(Q, P, taps)``: one factorisation, one estimate after another.

        museval solves for one estimate at a time; more right-hand sides at once are added up in
        another order.
        """
        count, taps = matrix.shape[:2]
        square = matrix.reshape(count * taps, -1) + np.finfo(float).eps * np.eye(count * taps)
        groups = np.split(right, right.shape[-1] // self._channels, axis=-1)
        factors = self._factor(square)
        if factors is None:
            found = [
                np.linalg.lstsq(matrix.reshape(square.shape), b, rcond=None)[0] for b in groups
            ]
        else:
            found = [self._lapack.lu_solve(factors, b, check_finite=False) for b in groups]
        solution: Array = np.concatenate(found, axis=-1).T.reshape(-1, count, taps)
        return solution

    def _factor(self, square: Array) -> Any:
        getrf = self._lapack.get_lapack_funcs("getrf", (square,))
        upper, pivots, info = getrf(square)
        return (upper, pivots) if info == 0 else None

    def _solve_own(self, matrix: Array, right: Array) -> Array:
        count, taps = matrix.shape[:2]
        stems = count // self._channels
        rights = right.reshape(stems, self._channels * taps, -1)
        blocks = (matrix[self._rows(j), :, self._rows(j)] for j in range(stems))
        return np.stack([self._solve(b, r) for b, r in zip(blocks, rights, strict=True)])

    def _project(self, filters: Array, sources: Array) -> Array:
        """Sum of filtered sources, ``(channels, in, taps)`` and ``(in, n)`` → ``(channels, m)``."""
        length = sources.shape[-1] + self._taps - 1
        size = self._fft.next_fast_len(length + self._taps - 1, True)
        spectra = list(_each(lambda source: self._fft.rfft(source, size), sources))

        def one(rows: Array) -> Array:
            total = np.zeros(length)
            for taps, spectrum in zip(rows, spectra, strict=True):
                filtering = self._fft.rfft(taps, size)
                total += self._fft.irfft(filtering * spectrum, size)[:length]
            return total

        projected: Array = np.stack(list(_each(one, filters)))
        return projected


class _Spectra:
    """Correlations of sources ``(P, samples)`` through transforms of the whole length.

    Transforms of several rows at once round differently from those of one row, so each is called
    with the rows that museval gives it: all references, one estimate, one product.
    """

    def __init__(self, fft: Any, sources: Array, *, taps: int) -> None:
        self._fft = fft
        self._taps = taps
        self._size = int(2 ** np.ceil(np.log2(sources.shape[-1] + taps - 1.0)))
        self._half = fft.rfft(sources, self._size)

    def gram(self) -> Array:
        """Inner products of the delayed sources, ``(P, taps, P, taps)``."""
        count, taps = len(self._half), self._taps
        matrix = np.empty((count, taps, count, taps))
        pairs = [(p, q) for q in range(count) for p in range(q + 1)]
        lags = _each(lambda pair: self._lags(self._half[pair[1]], self._half[pair[0]]), pairs)
        for (p, q), values in zip(pairs, lags, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(values, taps)[::-1]
            matrix[q, :, p] = windows
            # Last, so that p == q holds the transpose: their two sides differ by rounding.
            matrix[p, :, q] = windows.T
        return matrix

    def cross(self, targets: Array, *, channels: int) -> Array:
        """Inner products of the delayed sources with the targets, ``(P · taps, Q)``."""
        columns = []
        for stem in range(0, len(targets), channels):
            for half in self._fft.rfft(targets[stem : stem + channels], self._size):
                lags = np.stack(list(_each(partial(self._lags, other=half), self._half)))
                columns.append(lags[:, self._taps - 1 :: -1].reshape(-1))
        return np.stack(columns, axis=-1)

    def _lags(self, one: Array, other: Array) -> Array:
        """Lags ``1 − taps … taps − 1``, by the complex inverse: the real one rounds otherwise."""
        middle = self._size // 2
        whole = np.empty(self._size, dtype=np.complex128)
        # The factors' order matters for rounding. NumPy swaps it where it can reuse a large
        # temporary, in museval's whole spectra just as here; but half of 16384 is not large.
        swapped = self._size == _LEAST_SWAPPED
        whole[: middle + 1] = np.conj(other) * one if swapped else one * np.conj(other)
        np.conj(whole[middle - 1 : 0 : -1], out=whole[middle + 1 :])
        lags = self._fft.ifft(whole, overwrite_x=True).real
        return np.concatenate((lags[1 - self._taps :], lags[: self._taps]))


def _each(function: Callable[[Any], Array], items: Iterable[Any]) -> Iterator[Array]:
    """Map in threads; the transforms release the interpreter's lock."""
    with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
        yield from pool.map(function, items)


def _energies(true: Array, own: Array, joint: Array, target: Array) -> Array:
    """The eight energies; every term is a sum in museval's order, cancellation included."""
    s_true = np.zeros_like(own)
    s_true[:, : true.shape[-1]] = true
    spatial = own - s_true
    interference = joint - s_true - spatial
    artifacts = -s_true - spatial - interference
    artifacts[:, : target.shape[-1]] += target
    filtered = s_true + spatial
    parts = (
        s_true,
        spatial + interference + artifacts,
        spatial,
        filtered,
        interference,
        filtered + interference,
        artifacts,
        interference + artifacts,
    )
    return np.array([np.sum(part**2) for part in parts])


def _double(signal: Tensor) -> Array:
    double: Array = signal.detach().to(device="cpu", dtype=torch.float64).numpy()
    return double


def _scipy() -> tuple[Any, Any]:
    try:
        import scipy.fft
        import scipy.linalg
    except ImportError as missing:
        raise ResourceError(
            "BSS Eval of stems with empty bands or equal channels needs SciPy: "
            "type pip install 'unmixcli[eval]', or set ridge=1e-10."
        ) from missing
    return scipy.fft, scipy.linalg
