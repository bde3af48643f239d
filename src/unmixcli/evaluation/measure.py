"""All measures of one method on one track.

Ratios are in dB. They are NaN for a target whose reference is silent, whose `leak` tells instead
how loud the estimate is beside the mix, and for one that is the whole mix because all others are
silent: doing nothing would score without bound. A silent estimate has no scores either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmixcli.evaluation.activity import activity_scores
from unmixcli.evaluation.material import Material, rms
from unmixcli.evaluation.settings import EvalSettings
from unmixcli.metrics import BssOptions, bss_eval, ratios

Values = NDArray[np.float64]

WINDOW_S, WINDOW_HOP_S = 30.0, 15.0
"""Windows of SiSEC 2016 and of Drossos et al. (2018)."""

_V3 = ("SDR", "SIR", "SAR")
# v4 is museval's to the last digit, which on stems with empty bands hangs on the rounding of
# museval's arithmetic and has to be repeated, slowly, once a track. v3 has filters in each of
# many windows; a ridge 100 dB below the stems' energy makes its scores sound everywhere.
_RIDGE = {"v4": 0.0, "v3": 1e-10}


@dataclass(frozen=True)
class Frames:
    """BSS Eval of one target, frame by frame.

    Attributes:
        start_s: where each frame begins, `(frames,)`.
        duration_s: how long they are.
        scores: `(frames,)` in dB by name: SDR, SIR, SAR and, of v4, ISR.
        ill_conditioned: frames whose SIR and SAR mean little, `(frames,)`.
    """

    start_s: Values
    duration_s: float
    scores: Mapping[str, Values]
    ill_conditioned: NDArray[np.bool_]


@dataclass(frozen=True)
class TargetScores:
    """Everything about one target.

    Attributes:
        frames: of v4; None where it was not asked for.
        windows: 30 s of v3; None where it was not asked for.
        values: one number for the whole track, by name.
    """

    frames: Frames | None = None
    windows: Frames | None = None
    values: dict[str, float] = field(default_factory=dict)


def measure(material: Material, estimates: Tensor, settings: EvalSettings) -> list[TargetScores]:
    """Score estimates `(targets, channels, samples)`, one result a target.

    NSDR is there if the material has its `mixture_sdr`. Melody is not among the scores:
    `unmixcli.evaluation.melody` has it.
    """
    rows = _Rows(material, estimates, device=settings.device)
    frames = _of_frames(rows, settings)
    windows = _of_windows(rows, settings)
    whole = _of_whole(rows, settings, mixture_sdr=material.mixture_sdr)
    ratio_values = rows.ratios(settings.metrics)
    return [
        TargetScores(
            frames=frames[row],
            windows=windows[row],
            values={
                **whole[row],
                **{name: float(values[row]) for name, values in ratio_values.items()},
                **_leak(material, estimates, row),
                **_activity(material, estimates, row, settings),
            },
        )
        for row in range(rows.count)
    ]


def with_mixture_sdr(material: Material, settings: EvalSettings) -> Material:
    """Add the mix's own SDR as the estimate of each target, if the settings ask for NSDR.

    It is what NSDR (Ozerov et al., 2007) takes from the SDR of any estimate, here of BSS Eval v3
    over the whole track.
    """
    if "nsdr" not in settings.metrics:
        return material
    mixture = material.mix.expand_as(material.references)
    whole = _Rows(material, mixture, device=settings.device).whole()
    return replace(material, mixture_sdr=tuple(_whole_score(frames, "SDR") for frames in whole))


def null_db(material: Material, stems: Tensor) -> float:
    """The null test of stems that should sum to the mix, dB; NaN if they need not."""
    if not material.complete or not bool(material.mix.any()):
        return math.nan
    return ratios.null_test(stems, mixture=material.mix)


def _of_frames(rows: _Rows, settings: EvalSettings) -> Sequence[Frames | None]:
    if "bsseval" not in settings.metrics:
        return [None] * rows.count
    return rows.bss(window_s=settings.window_s, hop_s=settings.hop_s, version="v4")


def _of_windows(rows: _Rows, settings: EvalSettings) -> Sequence[Frames | None]:
    if "bsseval-v3" not in settings.metrics:
        return [None] * rows.count
    return rows.bss(window_s=WINDOW_S, hop_s=WINDOW_HOP_S, version="v3")


def _of_whole(
    rows: _Rows, settings: EvalSettings, *, mixture_sdr: Sequence[float]
) -> list[dict[str, float]]:
    """BSS Eval v3 of the track as one frame, and what it is above that of the mix."""
    values: list[dict[str, float]] = [{} for _ in range(rows.count)]
    if not {"bsseval-v3", "nsdr"} & set(settings.metrics):
        return values
    for row, frames in enumerate(rows.whole()):
        if "bsseval-v3" in settings.metrics:
            values[row] |= {f"v3 {name}": _whole_score(frames, name) for name in _V3}
        if mixture_sdr:
            values[row]["NSDR"] = _whole_score(frames, "SDR") - mixture_sdr[row]
    return values


def _whole_score(frames: Frames, name: str) -> float:
    return float(frames.scores[name][0])


class _Rows:
    """The targets that can be scored, and their results put back among all."""

    def __init__(self, material: Material, estimates: Tensor, *, device: str) -> None:
        self.count = len(material.targets)
        self._material = material
        self._device = device
        rows = material.scored
        self._true = material.references[rows].to(device)
        found = estimates[rows].to(device)
        silent = [not bool(row.sum(dim=0).any()) for row in found]
        # No other stem's score depends on this estimate, but BSS Eval refuses silent ones.
        self._given = found
        self._found = torch.where(
            torch.tensor(silent, dtype=torch.bool, device=found.device)[:, None, None],
            self._true,
            found,
        )
        self._rows = rows
        self._at = {row: at for at, row in enumerate(rows) if not silent[at]}
        self._mix = material.mix.to(device)

    def bss(self, *, window_s: float, hop_s: float, version: str) -> list[Frames]:
        """BSS Eval of every target; NaN for those that cannot be scored."""
        rate, samples = self._material.sample_rate, self._material.mix.shape[-1]
        duration = min(window_s, samples / rate)
        if not len(self._true):
            nothing = _no_scores(samples, rate, window_s=window_s, hop_s=hop_s)
            return [_frames(*nothing, duration_s=duration)] * self.count
        scores = bss_eval(
            self._true,
            self._found,
            sample_rate=rate,
            window_s=window_s,
            hop_s=hop_s,
            version=version,
            options=BssOptions(device=self._device, ridge=_RIDGE[version]),
        )
        tables = {"SDR": scores.sdr, "ISR": scores.isr, "SIR": scores.sir, "SAR": scores.sar}
        nothing = scores.start_s, {}, np.zeros(scores.start_s.shape, np.bool_)
        return [
            _frames(
                scores.start_s,
                {name: table[self._at[row]] for name, table in tables.items()},
                scores.ill_conditioned,
                duration_s=duration,
            )
            if row in self._at
            else _frames(*nothing, duration_s=duration)
            for row in range(self.count)
        ]

    def whole(self) -> list[Frames]:
        """BSS Eval v3 of the track as one frame."""
        return self.bss(window_s=math.inf, hop_s=math.inf, version="v3")

    def ratios(self, metrics: tuple[str, ...]) -> dict[str, Values]:
        """Ratios of whole tracks by name, `(targets,)`; SI-SDR of a silent estimate is NaN."""
        if not len(self._rows):
            return {}
        true, given, mix = self._true, self._given, self._mix
        scores = {
            "global SDR": ratios.global_sdr(true, given),
            "SNR": ratios.snr(true, given),
        }
        if "lsd" in metrics:
            scores["LSD"] = ratios.log_spectral_distance(true, given)
        spread = {name: self._spread(values, self._rows) for name, values in scores.items()}
        if "sisdr" in metrics and self._at:
            found = self._found
            spread["SI-SDR"] = self._spread(ratios.si_sdr(true, found), self._at)
            improvement = ratios.si_sdr_improvement(true, found, mixture=mix)
            spread["SI-SDRi"] = self._spread(improvement, self._at)
            sounding = ratios.sounding_si_sdr_improvement(
                true, found, mixture=mix, sample_rate=self._material.sample_rate
            )
            spread["SI-SDRi (sounding)"] = self._spread(sounding, self._at)
        return spread

    def _spread(self, values: Tensor, rows: Iterable[int]) -> Values:
        """Values of all scored rows to those of `rows` among all targets."""
        at = {row: index for index, row in enumerate(self._rows)}
        spread = np.full(self.count, math.nan)
        for row in rows:
            spread[row] = float(values[at[row]])
        return spread


def _frames(
    start_s: Values,
    scores: Mapping[str, Values],
    ill_conditioned: NDArray[np.bool_],
    *,
    duration_s: float,
) -> Frames:
    """Frames in which every score that is not given is NaN."""
    nothing = np.full(start_s.shape, math.nan)
    names = ("SDR", "ISR", "SIR", "SAR")
    given = {name: scores.get(name, nothing) for name in names}
    return Frames(start_s, duration_s, given, ill_conditioned)


def _no_scores(
    samples: int, sample_rate: int, *, window_s: float, hop_s: float
) -> tuple[Values, Mapping[str, Values], NDArray[np.bool_]]:
    """The frames that BSS Eval would have, without scores."""
    starts = [0.0]
    if window_s * sample_rate < samples:
        length, step = round(window_s * sample_rate), round(hop_s * sample_rate)
        starts = [at / sample_rate for at in range(0, samples - length + 1, step)]
    return np.array(starts), {}, np.zeros(len(starts), np.bool_)


def _leak(material: Material, estimates: Tensor, row: int) -> dict[str, float]:
    """Level of what an estimate of silence holds, dB of the mix."""
    level, mix = rms(estimates[row]), rms(material.mix)
    if not material.silent[row] or level == 0 or mix == 0:
        return {}
    return {"leak": 20 * math.log10(level / mix)}


def _activity(
    material: Material, estimates: Tensor, row: int, settings: EvalSettings
) -> dict[str, float]:
    if "activity" not in settings.metrics or material.silent[row]:
        return {}
    rate = material.sample_rate
    return activity_scores(material.references[row], estimates[row], sample_rate=rate)
