"""Distortion filters of BSS Eval on torch, and the energies of what they project.

A reference delayed by 0 … taps − 1 samples spans the allowed distortions of it (Vincent, Gribonval
and Févotte, 2006, section III.B). The least-squares filters onto that span need nothing but
correlations at lags below ``taps``, so no transform here is longer than one block and memory does
not grow with length. Signals are ``(channels, samples)``, the channels of all stems in one row:
channel c of stem j is row ``j · channels + c``. Everything is computed in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from unmixcli.metrics import block_toeplitz

FFT_SIZE = 16384
# Blocks that are transformed at once: what stays in a cache, 50 MB for 16 channels.
BLOCKS_AT_ONCE = 8
# Twice the taps resolve every spectrum that a filter of that length can shape.
_TAPER_BETA = 32.0


def correlate(left: Tensor, *right: Tensor, taps: int) -> Tensor:
    """Correlate every row of one signal with every row of others, block by block.

    Entry ``[p, q, taps − 1 + lag]`` is ``Σ_n left[p, n] · right[q, n + lag]``, zeros beyond the
    ends; rows of several signals follow each other.

    Shape: ``(P, samples)`` and ``(Q, samples)`` each → ``(P, ΣQ, 2 · taps − 1)``, float64.
    """
    size = max(FFT_SIZE, _power_of_two(4 * taps))
    step = size - 2 * (taps - 1)
    samples = left.shape[-1]
    spectrum: Tensor | float = 0.0
    for start in range(0, samples, BLOCKS_AT_ONCE * step):
        blocks = min(BLOCKS_AT_ONCE, -(-(samples - start) // step))
        length = (blocks - 1) * step + size
        core = cut(left, start=start, length=blocks * step).unflatten(-1, (blocks, step))
        wide = torch.cat([cut(one, start=start - taps + 1, length=length) for one in right])
        # Contiguous (bins, rows, blocks): other strides are multiplied one matrix at a time.
        one = torch.fft.rfft(core, n=size).permute(2, 0, 1).contiguous().conj_physical()
        other = torch.fft.rfft(wide.unfold(-1, size, step)).permute(2, 0, 1).contiguous()
        spectrum = spectrum + one @ other.mT
    lags: Tensor = torch.fft.irfft(torch.as_tensor(spectrum).permute(1, 2, 0), n=size)
    return lags[..., : 2 * taps - 1]


def cut(signal: Tensor, *, start: int, length: int) -> Tensor:
    """Take samples ``start … start + length − 1`` in double precision, zeros beyond the ends.

    Shape: ``(channels, samples)`` → ``(channels, length)``, float64.
    """
    inside = signal[:, max(start, 0) : max(start + length, 0)].to(torch.float64)
    before = min(max(-start, 0), length)
    return pad(inside, (before, length - before - inside.shape[-1]))


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
    lags = correlate(references, references, estimates, taps=taps)
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
    """Solve the normal equations; None where the Gram matrix is not positive definite.

    ``ridge`` times the mean energy of the references is added to the matrix's diagonal.
    """
    lags, right = statistics.references, statistics.estimates
    count, taps = right.shape[:2]
    if ridge > 0:
        lags = lags.clone()
        energies = lags[..., taps - 1].diagonal()
        energies += ridge * energies.mean()
    joint = block_toeplitz.solve(lags, right)
    if joint is None:
        return None
    if count == channels:  # The same filters to the last bit, so that SIR is infinite.
        own = [joint]
    else:
        stems = [slice(start, start + channels) for start in range(0, count, channels)]
        own = [
            found
            for rows in stems
            if (found := block_toeplitz.solve(lags[rows, rows], right[rows])) is not None
        ]
    if len(own) * channels < count:
        return None
    return Filters(joint=joint.permute(2, 0, 1), own=torch.stack(own).permute(0, 3, 1, 2))


class Projector:
    """Projects frames by one fixed set of filters; one implementation of ``bss_eval.Energies``.

    The spectra of the filters are computed once: first those from all references to each
    estimate, then those from one stem alone, which are zero for the other stems' channels. A
    frame is cut out and filtered as if silence surrounded it, as museval does, so its projection
    is ``taps − 1`` samples longer.
    """

    def __init__(self, filters: Filters, *, pairs: bool) -> None:
        self._taps = filters.joint.shape[-1]
        self._size = max(FFT_SIZE, _power_of_two(4 * self._taps))
        self._step = self._size - self._taps + 1
        self._stems, self._channels = filters.own.shape[0], filters.own.shape[2]
        self._pairs = pairs
        rows = torch.cat((filters.joint, self._own_rows(filters.own)))
        self._spectra = torch.fft.rfft(rows, n=self._size).permute(2, 0, 1).contiguous()

    def _own_rows(self, own: Tensor) -> Tensor:
        """Own filters as rows over all references, ``(outputs, P, taps)``."""
        stems, estimates, channels, taps = own.shape
        wide = own.new_zeros(stems, estimates, stems, channels, taps)
        for stem in range(stems):
            wide[stem, :, stem] = own[stem]
        if not self._pairs:
            wide = wide.unflatten(1, (stems, channels)).diagonal(dim1=0, dim2=1)
            wide = wide.movedim(-1, 0)
        return wide.reshape(-1, stems * channels, taps)

    def energies(
        self, references: Tensor, estimates: Tensor, *, starts: Sequence[int], length: int
    ) -> Tensor:
        """Energies of the decomposition of each frame.

        Shape: ``(P, samples)`` and ``(Q, samples)`` → ``(8, stems, stems, frames)``, true stem
        before estimate; unless ``pairs`` was true, only the diagonal is meaningful.
        """
        blocks = -(-(length + self._taps - 1) // self._step)
        at_once = max(1, BLOCKS_AT_ONCE // blocks)
        found = []
        for first in range(0, len(starts), at_once):
            spans = [(start, start + length) for start in starts[first : first + at_once]]
            sources = [references[:, slice(*span)] for span in spans]
            targets = [estimates[:, slice(*span)] for span in spans]
            parts = [
                self._section(
                    sources, targets, block=block, blocks=min(BLOCKS_AT_ONCE, blocks - block)
                )
                for block in range(0, blocks, BLOCKS_AT_ONCE)
            ]
            found.append(torch.stack(parts).sum(dim=0))
        return torch.cat(found, dim=-1)

    def _section(
        self, sources: list[Tensor], targets: list[Tensor], *, block: int, blocks: int
    ) -> Tensor:
        """Energies of some blocks of frames of equal length, ``(8, stems, stems, frames)``."""
        history, start = self._taps - 1, block * self._step
        length = min(blocks * self._step, sources[0].shape[-1] + history - start)
        wide = torch.stack(
            [
                cut(source, start=start - history, length=blocks * self._step + history)
                for source in sources
            ]
        )
        estimate = torch.stack([cut(target, start=start, length=length) for target in targets])
        true = wide[..., history : history + length]
        outputs = self._filter(wide, length=length)
        return self._split(true.transpose(0, 1), outputs, estimate.transpose(0, 1))

    def _filter(self, wide: Tensor, *, length: int) -> Tensor:
        """``(frames, P, samples)`` → ``(outputs, frames, length)``."""
        spectra = torch.fft.rfft(wide.unfold(-1, self._size, self._step))
        columns = spectra.permute(3, 1, 0, 2).flatten(2)
        product = (self._spectra @ columns).permute(1, 2, 0)
        blocks = torch.fft.irfft(product, n=self._size)[..., self._taps - 1 :]
        signals: Tensor = blocks.unflatten(1, (wide.shape[0], -1)).flatten(2)[..., :length]
        return signals

    def _split(self, true: Tensor, outputs: Tensor, estimate: Tensor) -> Tensor:
        """Energies from signals ``(rows, frames, length)``."""
        stems, channels = self._stems, self._channels
        joint = outputs[: stems * channels].unflatten(0, (1, stems, channels))
        own = outputs[stems * channels :].unflatten(0, (-1, stems, channels))
        estimate = estimate.unflatten(0, (1, stems, channels))
        true = true.unflatten(0, (stems, 1, channels) if self._pairs else (1, stems, channels))
        energies = _energies(true, own, joint=joint, estimate=estimate)
        if self._pairs:
            return energies
        return torch.diag_embed(energies[:, 0].transpose(1, 2)).movedim(1, -1)


def _energies(true: Tensor, own: Tensor, *, joint: Tensor, estimate: Tensor) -> Tensor:
    """The eight energies, in the order of ``bss_eval.Energies``: ``(8, stems, stems, frames)``."""
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
    shape = (*own.shape[:2], own.shape[3])
    return torch.stack([_sum_of_squares(part).expand(shape) for part in parts])


def _sum_of_squares(signals: Tensor) -> Tensor:
    """``(…, channels, frames, samples)`` → ``(…, frames)``, in one pass and without a copy."""
    return (signals[..., None, :] @ signals[..., :, None])[..., 0, 0].sum(dim=-2)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
