"""Distortion filters of BSS Eval on torch, and the energies of what they project.

A reference delayed by 0 … taps − 1 samples spans the allowed distortions of it (Vincent, Gribonval
and Févotte, 2006, section III.B). The least-squares filters onto that span need nothing but
correlations at lags below ``taps``, so no transform here is longer than one block and memory does
not grow with length. Signals are ``(channels, samples)``, the channels of all stems in one row:
channel c of stem j is row ``j · channels + c``. Everything is computed in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

FFT_SIZE = 16384
# Blocks that are transformed at once: 16 blocks of 16 channels take about 100 MB.
BLOCKS_AT_ONCE = 16
# Twice the taps resolve every spectrum that a filter of that length can shape.
_TAPER_BETA = 32.0


def correlate(left: Tensor, right: Tensor, *, taps: int) -> Tensor:
    """Correlate every row of one signal with every row of another, block by block.

    Entry ``[p, q, taps − 1 + lag]`` is ``Σ_n left[p, n] · right[q, n + lag]``, zeros beyond the
    ends.

    Shape: ``(P, samples)`` and ``(Q, samples)`` → ``(P, Q, 2 · taps − 1)``, float64.
    """
    size = max(FFT_SIZE, _power_of_two(4 * taps))
    step = size - 2 * (taps - 1)
    samples = left.shape[-1]
    spectrum = torch.zeros(
        (size // 2 + 1, left.shape[0], right.shape[0]), dtype=torch.complex128, device=left.device
    )
    for start in range(0, samples, BLOCKS_AT_ONCE * step):
        blocks = min(BLOCKS_AT_ONCE, -(-(samples - start) // step))
        core = cut(left, start=start, length=blocks * step).unflatten(-1, (blocks, step))
        wide = cut(right, start=start - taps + 1, length=(blocks - 1) * step + size)
        one = torch.fft.rfft(core, n=size).permute(2, 0, 1)
        other = torch.fft.rfft(wide.unfold(-1, size, step)).permute(2, 1, 0)
        spectrum += one.conj() @ other
    lags: Tensor = torch.fft.irfft(spectrum.permute(1, 2, 0), n=size)[..., : 2 * taps - 1]
    return lags


def cut(signal: Tensor, *, start: int, length: int) -> Tensor:
    """Take samples ``start … start + length − 1`` in double precision, zeros beyond the ends.

    Shape: ``(channels, samples)`` → ``(channels, length)``, float64.
    """
    inside = signal[:, max(start, 0) : max(start + length, 0)].to(torch.float64)
    before = min(max(-start, 0), length)
    return pad(inside, (before, length - before - inside.shape[-1]))


def gram(correlations: Tensor) -> Tensor:
    """Assemble the inner products of all delayed references, a block-Toeplitz matrix.

    Entry ``[p, a, q, b]`` is the product of reference p delayed by a and q delayed by b.

    Shape: ``(P, P, 2 · taps − 1)`` → ``(P, taps, P, taps)``.
    """
    taps = (correlations.shape[-1] + 1) // 2
    # [p, q, a, b] = r_pq(a − b): a window of the reversed lags that slides back by one a row.
    windows = correlations.flip(-1).unfold(-1, taps, 1).flip(-2)
    return windows.permute(0, 2, 1, 3).contiguous()


def condition_bound(correlations: Tensor) -> float:
    """Bound the condition number of a Gram matrix from below, without assembling it.

    A tapered sinusoid of frequency f, weighted over the references by v, has the Rayleigh quotient
    ``vᴴ S(f) v`` with S the tapered cross-spectrum; so the least and the largest eigenvalue of
    all S(f) lie inside the spectrum of the matrix. Empty bands (a lossy codec's low-pass),
    references that are filtered copies of each other and equal channels all show here. References
    are scaled to unit energy first, since their levels are no matter of rounding. Infinite where
    the least eigenvalue is not positive.

    Shape: ``(P, P, 2 · taps − 1)`` → a number ≥ 1.
    """
    taps = (correlations.shape[-1] + 1) // 2
    energy = correlations[..., taps - 1].diagonal()
    if not bool((energy > 0).all()):
        return float("inf")
    scale = energy.rsqrt()
    taper = torch.kaiser_window(taps, periodic=False, beta=_TAPER_BETA, dtype=torch.float64)
    taper = (taper / taper.norm()).to(correlations.device)[None]
    lag_window = correlate(taper, taper, taps=taps)
    tapered = correlations * lag_window * scale[:, None, None] * scale[None, :, None]
    centred = torch.roll(pad(tapered, (0, 2 * taps + 1)), -(taps - 1), dims=-1)
    spectra = torch.fft.rfft(centred).permute(2, 0, 1)
    eigenvalues = torch.linalg.eigvalsh((spectra + spectra.mH) / 2)
    least, largest = float(eigenvalues.min()), float(eigenvalues.max())
    return largest / least if least > 0 else float("inf")


@dataclass(frozen=True)
class Statistics:
    """Correlations of one span: all that the filters depend on.

    Attributes:
        references: references with references, ``(P, P, 2 · taps − 1)``.
        estimates: references with estimates at lags 0 … taps − 1, ``(P, taps, Q)``.
        condition: lower bound of the Gram matrix's condition number.
    """

    references: Tensor
    estimates: Tensor
    condition: float


def gather(references: Tensor, estimates: Tensor, *, taps: int) -> Statistics:
    """Correlate the references with themselves and with the estimates.

    Shape: ``(P, samples)`` and ``(Q, samples)``.
    """
    lags = correlate(references, torch.cat((references, estimates)), taps=taps)
    count = references.shape[0]
    own = lags[:, :count].contiguous()
    return Statistics(
        references=own,
        estimates=lags[:, count:, taps - 1 :].transpose(1, 2).contiguous(),
        condition=condition_bound(own),
    )


@dataclass(frozen=True)
class Filters:
    """Least-squares filters from references to estimates.

    Attributes:
        joint: from all references, ``(Q, P, taps)``.
        own: from the channels of one stem, ``(stems, Q, channels, taps)``.
    """

    joint: Tensor
    own: Tensor


def solve(statistics: Statistics, *, channels: int, ridge: float = 0.0) -> Filters | None:
    """Solve the normal equations by Cholesky; None where the matrix is not positive definite.

    ``ridge`` times the mean energy of the references is added to the diagonal.
    """
    matrix = gram(statistics.references)
    count, taps = matrix.shape[:2]
    size = count * taps
    if ridge > 0:
        energy = matrix.view(size, size).diagonal().mean()
        matrix.view(size, size).diagonal().add_(ridge * energy)
    solution = _cholesky_solve(matrix.view(size, size), statistics.estimates.view(size, -1))
    if solution is None:
        return None
    joint = solution.T.reshape(-1, count, taps)
    if count == channels:  # The same filters to the last bit, so that SIR is infinite.
        return Filters(joint=joint, own=joint[None])
    own = _solve_own(matrix, statistics.estimates, channels=channels)
    return None if own is None else Filters(joint=joint, own=own)


def _solve_own(matrix: Tensor, estimates: Tensor, *, channels: int) -> Tensor | None:
    """Filters from each stem alone: sub-blocks of the same matrix."""
    count, taps = matrix.shape[:2]
    stems, size = count // channels, channels * taps
    blocks = [
        matrix[j : j + channels, :, j : j + channels].reshape(size, size)
        for j in range(0, count, channels)
    ]
    right = estimates.reshape(stems, size, -1)
    found = _cholesky_solve(torch.stack(blocks), right)
    return None if found is None else found.mT.reshape(stems, -1, channels, taps)


def _cholesky_solve(matrix: Tensor, right: Tensor) -> Tensor | None:
    factor, failed = torch.linalg.cholesky_ex(matrix)
    return None if bool(failed.any()) else torch.cholesky_solve(right, factor)


class Projector:
    """Projects spans of one fixed set of filters; one implementation of ``Energies``.

    The spectra of the filters are computed once. A span is cut out and filtered as if silence
    surrounded it, as museval does, so its projection is ``taps − 1`` samples longer.
    """

    def __init__(self, filters: Filters) -> None:
        self._taps = filters.joint.shape[-1]
        self._size = max(FFT_SIZE, _power_of_two(4 * self._taps))
        self._joint = torch.fft.rfft(filters.joint, n=self._size).permute(2, 0, 1).contiguous()
        self._own = torch.fft.rfft(filters.own, n=self._size).permute(0, 3, 1, 2).contiguous()

    def energies(self, references: Tensor, estimates: Tensor, *, pairs: bool) -> Tensor:
        """Energies of the decomposition of one span, for all pairs or matching ones alone.

        Shape: ``(P, samples)`` and ``(Q, samples)`` → ``(8, stems, stems)``, true stem before
        estimate; with ``pairs`` false only the diagonal is meaningful.
        """
        stems = self._own.shape[0]
        step = self._size - self._taps + 1
        length = references.shape[-1] + self._taps - 1
        total = torch.zeros((8, stems, stems), dtype=torch.float64, device=references.device)
        for start in range(0, length, BLOCKS_AT_ONCE * step):
            blocks = min(BLOCKS_AT_ONCE, -(-(length - start) // step))
            total += self._block(references, estimates, start=start, blocks=blocks, pairs=pairs)
        return total

    def _block(
        self, references: Tensor, estimates: Tensor, *, start: int, blocks: int, pairs: bool
    ) -> Tensor:
        history = self._taps - 1
        step = self._size - history
        length = min(blocks * step, references.shape[-1] + history - start)
        wide = cut(references, start=start - history, length=blocks * step + history)
        spectra = torch.fft.rfft(wide.unfold(-1, self._size, step)).permute(2, 0, 1)
        stems = self._own.shape[0]
        channels = spectra.shape[1] // stems
        true = wide[:, history : history + length].unflatten(0, (stems, 1, channels))
        estimate = cut(estimates, start=start, length=length).unflatten(0, (1, stems, channels))
        joint = self._filter(self._joint, spectra, length=length)
        joint = joint.unflatten(0, (1, stems, channels))
        own = torch.stack(
            [self._filter_own(j, spectra, length=length, pairs=pairs) for j in range(stems)]
        )
        if pairs:
            return _energies(true, own, joint=joint, estimate=estimate)
        matching = _energies(
            true, own, joint=joint.transpose(0, 1), estimate=estimate.transpose(0, 1)
        )
        return torch.diag_embed(matching[..., 0])

    def _filter_own(self, stem: int, spectra: Tensor, *, length: int, pairs: bool) -> Tensor:
        """Stem ``stem`` projected alone: ``(estimates or 1, channels, length)``."""
        channels = self._own.shape[-1]
        rows = slice(stem * channels, (stem + 1) * channels)
        filters = self._own[stem] if pairs else self._own[stem][:, rows]
        filtered = self._filter(filters, spectra[:, rows], length=length)
        images: Tensor = filtered.unflatten(0, (-1, channels))
        return images

    def _filter(self, filters: Tensor, spectra: Tensor, *, length: int) -> Tensor:
        """``(bins, out, in)`` and ``(bins, in, blocks)`` → ``(out, length)``."""
        product = (filters @ spectra).permute(1, 2, 0)
        blocks = torch.fft.irfft(product, n=self._size)[..., self._taps - 1 :]
        signal: Tensor = blocks.flatten(1)[:, :length]
        return signal


def _energies(true: Tensor, own: Tensor, *, joint: Tensor, estimate: Tensor) -> Tensor:
    """The eight energies, in the order that ``bss_eval`` reads them."""
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
    shape = torch.broadcast_shapes(own.shape[:2], estimate.shape[:2])
    sums = [torch.linalg.vector_norm(part, dim=(-2, -1)).square() for part in parts]
    return torch.stack([energy.expand(shape) for energy in sums])


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
