"""BSS Eval: how far an estimate is from its reference, and in which way.

References and estimates are ``(stems, channels, samples)``, estimate j belonging to reference j
unless a permutation is asked for. Scores are ``(stems, frames)`` in dB, larger is better. A frame
is ``window_s`` long; frames start every ``hop_s``; samples after the last whole frame are not
scored, and a signal shorter than the window is one frame. A frame in which any stem, reference or
estimate, is silent (its channels sum to zero) is NaN in every score of every stem, as in museval.

An estimate is split into the true stem, a filtered version of it, what filters of the other stems
explain, and the rest; filters have 512 taps (Vincent, Gribonval and Févotte, 2006; Vincent et al.,
2012). ``v4`` compares images with the true stem and uses the same filters throughout a track
(Stöter, Liutkus and Ito, 2018); ``v3`` compares sources with their filtered version and solves
for filters in every frame.

**Scores that mean little.** Where references have empty bands or equal channels, the filters have
huge gains where there is nothing to filter. A frame cut out of the track has edges, edges have
energy in every band, and so the filtered frame is mostly amplified edge: SIR falls to −40 dB and
SAR to 0 dB though the filters fit the whole track perfectly. museval and mir_eval report that; so
does this module, and sets ``ill_conditioned``. Beyond ``ROUNDING_CONDITION`` the gains are decided
by rounding, so there the arithmetic of museval is repeated operation by operation
(``bss_rounding``), which includes SDR and ISR that differ from their definition, and takes several
times longer; ``BssOptions(ridge=1e-10)`` avoids both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unmixcli.errors import InputError, UsageError
from unmixcli.metrics import bss_filters
from unmixcli.metrics.bss_rounding import RoundingProjector

Signal = Tensor | npt.NDArray[Any]
Scores = npt.NDArray[np.float64]

# From here on the edges of a frame decide its SIR and SAR, if the filters are the track's. Noise
# with an empty band had an SIR of 20.8 dB up to 1e8, 12.7 at 1e10, 2.5 at 1e12 and −1 at 1e15.
FLAGGED_CONDITION = 1e9
# Cholesky and LU differ by 5e-6 dB at 1e10, 2e-4 at 1e12 and 6e-2 at 1e14. A frame with filters
# of its own has no edges that they were not fitted to, and so is sound up to here.
ROUNDING_CONDITION = 1e12
MAX_PERMUTED_STEMS = 8
VERSIONS = ("v4", "v3")
# Few stems start with a second of silence, so looking for a sound ends soon.
_SAMPLES_LOOKED_AT = 16384


@dataclass(frozen=True)
class BssOptions:
    """What is rarely changed.

    Attributes:
        filters: "track" (one set of filters for all frames) or "window" (each frame its own); by
            default "track" for v4 and "window" for v3. museval's mode v3 is v4 with "window".
        permutation: match estimates to references by the largest mean SIR, per frame where
            filters are per window.
        taps: length of the distortion filters.
        ridge: this share of the mean energy is added to the diagonal of the Gram matrix. Zero is
            the standard; 1e-10 makes scores independent of rounding, and keeps all work on the
            device.
        device: where to compute; by default where the references are.
    """

    filters: str | None = None
    permutation: bool = False
    taps: int = 512
    ridge: float = 0.0
    device: str | torch.device | None = None


@dataclass(frozen=True)
class BssScores:
    """Scores of one track.

    Attributes:
        sdr: signal to distortion, ``(stems, frames)``, dB.
        isr: image to spatial distortion, ``(stems, frames)``, dB; NaN in v3, which has none.
        sir: signal to interference, ``(stems, frames)``, dB.
        sar: signal to artifacts, ``(stems, frames)``, dB.
        permutation: estimate that each reference was matched with, ``(stems, frames)``.
        ill_conditioned: frames whose SIR and SAR mean little, ``(frames,)``.
        condition: lower bound of the condition number of the references' Gram matrix,
            ``(frames,)``; NaN in silent frames with filters of their own.
        start_s: first sample of each frame, ``(frames,)``, seconds.
    """

    sdr: Scores
    isr: Scores
    sir: Scores
    sar: Scores
    permutation: npt.NDArray[np.int64]
    ill_conditioned: npt.NDArray[np.bool_]
    condition: Scores
    start_s: Scores


class Energies(Protocol):
    """Fixed filters that split frames of the estimates and measure the parts."""

    def energies(
        self, references: Tensor, estimates: Tensor, *, starts: Sequence[int], length: int
    ) -> Tensor:
        """Eight energies of every pair, ``(8, stems, stems, frames)``, true stem before estimate.

        In order: the true stem; estimate − true; own − true; own, which is the estimate projected
        on the true stem's delays; joint − own; joint, projected on all stems' delays;
        estimate − joint; estimate − own.
        """
        ...


@dataclass(frozen=True)
class _Spans:
    """Frames as sample ranges, all of one length."""

    starts: tuple[int, ...]
    length: int


def validate(
    references: Signal, estimates: Signal, *, device: str | torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Check both signals and put them on the device.

    Shape: ``(stems, channels, samples)`` each.

    Raises:
        UsageError: not three axes, not floating point, or a device without double precision.
        InputError: shapes that differ, no samples, NaN or infinity, or a stem that is silent
            throughout.
    """
    true, found = _tensor(references, "references"), _tensor(estimates, "estimates")
    if true.shape != found.shape:
        raise InputError(
            f"References {tuple(true.shape)} and estimates {tuple(found.shape)} differ in shape; "
            "both need the same (stems, channels, samples)."
        )
    target = torch.device(device) if device is not None else true.device
    if target.type == "mps":
        raise UsageError("BSS Eval needs double precision, which mps lacks; type device='cpu'.")
    for name, signal in (("reference", true), ("estimate", found)):
        _check_content(signal, name)
    return true.to(target), found.to(target)


def bss_eval(
    references: Signal,
    estimates: Signal,
    *,
    sample_rate: float,
    window_s: float = 1.0,
    hop_s: float = 1.0,
    version: str = "v4",
    options: BssOptions | None = None,
) -> BssScores:
    """Score estimates against references, frame by frame.

    Equal to ``museval.metrics.bss_eval`` (v4; v3 is its ``bsseval_sources_version`` with
    ``framewise_filters``) and, for one channel and v3, to
    ``mir_eval.separation.bss_eval_sources_framewise``. Memory beyond the signals is bounded by
    blocks and the Gram matrix, ``(stems · channels · taps)² · 8`` bytes, unless rounding decides.

    Shape: ``(stems, channels, samples)``, floating point, each; scores ``(stems, frames)``.

    Args:
        references: the true stems.
        estimates: the separated stems.
        sample_rate: in Hz.
        window_s: length of a frame; ``math.inf`` is the whole signal.
        hop_s: from one frame to the next.
        version: "v4" (images) or "v3" (sources).
        options: what is rarely changed.

    Raises:
        UsageError: a rate, window, hop, version or option that is not allowed.
        InputError: see ``validate``.
    """
    chosen = options or BssOptions()
    _check_settings(sample_rate=sample_rate, window_s=window_s, hop_s=hop_s, version=version)
    true, found = validate(references, estimates, device=chosen.device)
    _check_options(chosen, stems=true.shape[0])
    spans = _spans(true.shape[-1], window=window_s * sample_rate, hop=hop_s * sample_rate)
    per_window = (chosen.filters or ("track" if version == "v4" else "window")) == "window"
    energies, condition = _measure(true, found, spans=spans, per_window=per_window, options=chosen)
    table = _criteria(energies, version=version)
    order = _permutation(table[2], per_window=per_window, search=chosen.permutation)
    own_filters = per_window or spans.length == true.shape[-1]
    limit = ROUNDING_CONDITION if own_filters else FLAGGED_CONDITION
    flagged = (condition >= limit) & ~np.isnan(table[2]).any(axis=(0, 1))
    start_s = np.array(spans.starts) / sample_rate
    return _scores(table, order, condition=condition, flagged=flagged, start_s=start_s)


def evaluate(
    references: Signal,
    estimates: Signal,
    *,
    sample_rate: float,
    window_s: float = 1.0,
    hop_s: float = 1.0,
    version: str = "v4",
    options: BssOptions | None = None,
) -> dict[str, Scores]:
    """``bss_eval`` as a table of ``(stems, frames)`` in dB: SDR, SIR, SAR and, for v4, ISR."""
    scores = bss_eval(
        references,
        estimates,
        sample_rate=sample_rate,
        window_s=window_s,
        hop_s=hop_s,
        version=version,
        options=options,
    )
    table = {"SDR": scores.sdr, "SIR": scores.sir, "SAR": scores.sar}
    return table if version == "v3" else {**table, "ISR": scores.isr}


def _tensor(signal: Signal, name: str) -> Tensor:
    # PyTorch takes neither negative strides nor, without a warning, arrays that are read-only.
    if isinstance(signal, np.ndarray):
        signal = np.require(signal, requirements=["C", "W"])
    tensor = torch.as_tensor(signal)
    if tensor.ndim != 3 or not tensor.is_floating_point():
        raise UsageError(
            f"The {name} are {tensor.dtype} with shape {tuple(tensor.shape)}; "
            "pass floating point (stems, channels, samples)."
        )
    return tensor.detach()


def _check_content(signal: Tensor, name: str) -> None:
    if signal.numel() == 0:
        raise InputError(f"The {name}s {tuple(signal.shape)} are empty; pass at least one sample.")
    for index, stem in enumerate(signal):
        # A sum is finite only if all samples are, and takes no memory.
        if not math.isfinite(float(stem.sum(dtype=torch.float64))):
            raise InputError(f"The {name} of stem {index} has NaN or infinite samples; mend it.")
        if _is_silent(stem[None]):
            raise InputError(
                f"The {name} of stem {index} is silent throughout (its channels sum to zero), "
                "so it cannot be scored; leave the stem out."
            )


def _check_settings(*, sample_rate: float, window_s: float, hop_s: float, version: str) -> None:
    if not (sample_rate > 0 and math.isfinite(sample_rate)):
        raise UsageError(f"The sample rate is {sample_rate}; pass a number of Hz above zero.")
    for name, seconds in (("window_s", window_s), ("hop_s", hop_s)):
        if not seconds * sample_rate >= 1:
            raise UsageError(f"{name} is {seconds}; pass seconds that hold at least one sample.")
    if version not in VERSIONS:
        raise UsageError(f"There is no BSS Eval version {version!r}; type 'v4' or 'v3'.")


def _check_options(options: BssOptions, *, stems: int) -> None:
    if options.filters not in (None, "track", "window"):
        raise UsageError(f"Filters per {options.filters!r} are unknown; type 'track' or 'window'.")
    if options.taps < 1:
        raise UsageError(f"A filter of {options.taps} taps is empty; pass taps=512.")
    if not (options.ridge >= 0 and math.isfinite(options.ridge)):
        raise UsageError(f"The ridge is {options.ridge}; pass a number ≥ 0, such as 1e-10.")
    if options.permutation and stems > MAX_PERMUTED_STEMS:
        raise UsageError(
            f"{stems} stems have too many permutations to try; "
            f"pass at most {MAX_PERMUTED_STEMS}, or permutation=False."
        )


def _is_silent(signal: Tensor) -> bool:
    """Whether the channels of any stem sum to zero at every sample."""
    return any(_is_all_zero(stem) for stem in signal)


def _is_all_zero(stem: Tensor) -> bool:
    starts = range(0, stem.shape[-1], _SAMPLES_LOOKED_AT)
    return not any(
        bool((stem[:, start : start + _SAMPLES_LOOKED_AT].sum(dim=0) != 0).any())
        for start in starts
    )


def _spans(samples: int, *, window: float, hop: float) -> _Spans:
    if window >= samples:
        return _Spans(starts=(0,), length=samples)
    length, step = round(window), round(hop)
    count = (samples - length + step) // step
    return _Spans(starts=tuple(step * frame for frame in range(count)), length=length)


def _measure(
    true: Tensor, found: Tensor, *, spans: _Spans, per_window: bool, options: BssOptions
) -> tuple[Tensor, Scores]:
    """Energies ``(8, stems, stems, frames)``, NaN where silent, and conditions ``(frames,)``."""
    stems, count = true.shape[0], len(spans.starts)
    energies = torch.full((8, stems, stems, count), math.nan, dtype=torch.float64)
    condition = np.full(count, math.nan)
    heard = [number for number in range(count) if not _is_silent_frame(true, found, spans, number)]
    if not per_window:
        fit, condition[:] = _fit(true, found, options=options)
        starts = [spans.starts[number] for number in heard]
        if starts:
            energies[..., heard] = _energies(fit, true, found, starts=starts, length=spans.length)
        return energies, condition
    for number in heard:
        frame = slice(spans.starts[number], spans.starts[number] + spans.length)
        one, other = true[..., frame], found[..., frame]
        fit, condition[number] = _fit(one, other, options=options)
        energies[..., [number]] = _energies(fit, one, other, starts=[0], length=spans.length)
    return energies, condition


def _is_silent_frame(true: Tensor, found: Tensor, spans: _Spans, number: int) -> bool:
    frame = slice(spans.starts[number], spans.starts[number] + spans.length)
    return _is_silent(true[..., frame]) or _is_silent(found[..., frame])


def _energies(
    fit: Energies, true: Tensor, found: Tensor, *, starts: Sequence[int], length: int
) -> Tensor:
    signals = true.flatten(0, 1), found.flatten(0, 1)
    return fit.energies(*signals, starts=starts, length=length).cpu()


def _fit(true: Tensor, found: Tensor, *, options: BssOptions) -> tuple[Energies, float]:
    """Filters of one span: by Cholesky where that is exact enough, else as museval does."""
    channels, pairs = true.shape[1], options.permutation
    sources, targets = true.flatten(0, 1), found.flatten(0, 1)
    statistics = bss_filters.gather(sources, targets, taps=options.taps)
    if options.ridge > 0 or statistics.condition < ROUNDING_CONDITION:
        filters = bss_filters.solve(statistics, channels=channels, ridge=options.ridge)
        if filters is not None:
            return bss_filters.Projector(filters, pairs=pairs), statistics.condition
    rounding = RoundingProjector(
        sources, targets, channels=channels, taps=options.taps, pairs=pairs
    )
    return rounding, statistics.condition


def _criteria(energies: Tensor, *, version: str) -> Scores:
    """SDR, ISR, SIR and SAR of every pair, ``(4, stems, stems, frames)``."""
    true, error, spatial, own, interference, joint, artifacts, residual = energies.numpy()
    if version == "v4":
        ratios = ((true, error), (true, spatial), (own, interference), (joint, artifacts))
    else:
        none = np.full_like(true, math.nan)
        ratios = ((own, residual), (none, none), (own, interference), (joint, artifacts))
    return np.stack([_decibels(above, below) for above, below in ratios])


def _decibels(above: Scores, below: Scores) -> Scores:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Scores = 10 * np.log10(above / below)
    return np.where(below == 0, np.inf, ratio)


def _permutation(sir: Scores, *, per_window: bool, search: bool) -> npt.NDArray[np.int64]:
    """The estimate for each reference, ``(stems, frames)``: the largest mean SIR, first if equal.

    As in museval a NaN anywhere in the mean makes the order the given one.
    """
    stems, _, frames = sir.shape
    given = np.arange(stems)
    if not search:
        return np.repeat(given[:, None], frames, axis=1)
    candidates = np.array(list(itertools.permutations(range(stems))))
    means = sir[given, candidates].mean(axis=1)
    if not per_window:
        means = np.repeat(means.mean(axis=1, keepdims=True), frames, axis=1)
    best: npt.NDArray[np.int64] = candidates[means.argmax(axis=0)].T
    return best


def _scores(
    table: Scores,
    order: npt.NDArray[np.int64],
    *,
    condition: Scores,
    flagged: npt.NDArray[np.bool_],
    start_s: Scores,
) -> BssScores:
    stems, frames = order.shape
    sdr, isr, sir, sar = table[:, np.arange(stems)[:, None], order, np.arange(frames)]
    return BssScores(
        sdr=sdr,
        isr=isr,
        sir=sir,
        sar=sar,
        permutation=order,
        ill_conditioned=flagged,
        condition=condition,
        start_s=start_s,
    )
