"""One number for a data set, in the way of each tradition, side by side and named.

Papers that print "SDR" mean different things: median or mean, of frames, of windows or of whole
tracks, by BSS Eval v3 or v4. None of these can be compared with another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unmixcli.evaluation.bootstrap import Statistic, Values, interval, statistic_of
from unmixcli.evaluation.measure import Frames
from unmixcli.evaluation.record import TargetRecord, TrackRecord
from unmixcli.evaluation.results import RunResults
from unmixcli.metrics.melody import SHORT_NAMES

_V4 = ("SDR", "ISR", "SIR", "SAR")
_V3 = ("v3 SDR", "v3 SIR", "v3 SAR")
_WHOLE = ("NSDR", "SI-SDR", "SI-SDRi", "SI-SDRi (sounding)", "SNR", "LSD", "leak")
_SHARES = tuple(
    f"{name}{span}" for span in ("", " (1 s)") for name in ("AUC", "precision", "recall", "F")
)


@dataclass(frozen=True)
class Tradition:
    """A way to aggregate.

    Attributes:
        name: what it does.
        source: who reports so.
        measures: which it is applied to.
        per_track: what a track gives: the "median" of its frames, all its "frames" of v4 or
            "windows" of v3, or its one "value".
        over_tracks: "median" or "mean" of what the tracks give.
    """

    name: str
    source: str
    measures: tuple[str, ...]
    per_track: Literal["median", "frames", "windows", "value"]
    over_tracks: Statistic


TRADITIONS = (
    Tradition(
        "median of frames, median of tracks",
        "museval and SiSEC 2018; Hung and Lerch; Jansson, chapter 6",
        _V4,
        "median",
        "median",
    ),
    Tradition("median of all frames", "runs with --window 30 --hop 15", _V4, "frames", "median"),
    Tradition(
        "mean of tracks",
        "Jansson, chapters 4 and 5; Stoller, Ewert and Dixon",
        (*_V3, *_WHOLE, *SHORT_NAMES.values(), *_SHARES),
        "value",
        "mean",
    ),
    Tradition(
        "median of 30 s windows",
        "Drossos, Magron, Mimilakis and Virtanen",
        _V3,
        "windows",
        "median",
    ),
    Tradition("median of tracks", "Lordelo et al.", (*_V3, "NSDR", "SI-SDRi"), "value", "median"),
    Tradition("mean of global SDR", "Music Demixing Challenges", ("global SDR",), "value", "mean"),
)


@dataclass(frozen=True)
class Aggregate:
    """One number.

    Attributes:
        method: the model, tool or oracle.
        target: the stem, or sum of stems.
        tradition: the name of the way.
        measure: what was aggregated.
        value: the aggregate.
        low: lower end of its bootstrap interval of 95 %, NaN for one track.
        high: the upper end.
        tracks: how many have the measure.
        silent: tracks in which the target's reference, or everything else, is silent.
        failed: tracks of the run without scores.
        flagged: share of the frames of v4 that are ill-conditioned, whose ISR, SIR and SAR mean
            little; NaN for what is not of frames.
    """

    method: str
    target: str
    tradition: str
    measure: str
    value: float
    low: float
    high: float
    tracks: int
    silent: int
    failed: int
    flagged: float = math.nan


def aggregate(results: RunResults) -> list[Aggregate]:
    """Every tradition, for each method, target and measure that the run has."""
    failed = len(results.failures)
    return [
        _aggregate(tradition, measure, method=method, target=target, records=found, failed=failed)
        for method, records in results.records.items()
        for target, found in by_target(records).items()
        for tradition in TRADITIONS
        for measure in tradition.measures
        if _has(tradition, measure, found)
    ]


def by_target(records: Mapping[str, TrackRecord]) -> dict[str, dict[str, TargetRecord]]:
    """Records by target, then track; targets in the order in which they appear."""
    table: dict[str, dict[str, TargetRecord]] = {}
    for track, record in records.items():
        for target in record.targets:
            table.setdefault(target.name, {})[track] = target
    return table


def track_values(target: TargetRecord) -> dict[str, float]:
    """One number a measure: the median of the frames of v4, and the values of the whole track."""
    frames = target.scores.frames
    medians = {} if frames is None else {name: _median(frames.scores[name]) for name in _V4}
    return {**medians, **target.scores.values}


def _has(tradition: Tradition, measure: str, records: Mapping[str, TargetRecord]) -> bool:
    return any(_given(tradition, measure, record).size for record in records.values())


def _aggregate(
    tradition: Tradition,
    measure: str,
    *,
    method: str,
    target: str,
    records: Mapping[str, TargetRecord],
    failed: int,
) -> Aggregate:
    given = [_given(tradition, measure, record) for record in records.values()]
    given = [values for values in given if values.size]
    low, high = interval(given, tradition.over_tracks)
    return Aggregate(
        method=method,
        target=target,
        tradition=tradition.name,
        measure=measure,
        value=statistic_of(np.concatenate(given), tradition.over_tracks),
        low=low,
        high=high,
        tracks=len(given),
        silent=sum(record.silent or record.alone for record in records.values()),
        failed=failed,
        flagged=_flagged(records.values()) if measure in _V4 else math.nan,
    )


def _flagged(records: Iterable[TargetRecord]) -> float:
    """Share of the ill-conditioned among the frames that have scores."""
    framed = [record.scores.frames for record in records if record.scores.frames is not None]
    scored = [np.isfinite(frames.scores["SDR"]) for frames in framed]
    flagged = [frames.ill_conditioned & own for frames, own in zip(framed, scored, strict=True)]
    count = sum(int(own.sum()) for own in scored)
    return sum(int(own.sum()) for own in flagged) / count if count else math.nan


def _given(tradition: Tradition, measure: str, record: TargetRecord) -> Values:
    """What a track gives, without NaN."""
    values = np.array(list(_all_given(tradition, measure, record)), dtype=np.float64)
    return values[np.isfinite(values)]


def _all_given(tradition: Tradition, measure: str, record: TargetRecord) -> Iterator[float]:
    scores = record.scores
    if tradition.per_track == "value":
        yield scores.values.get(measure, math.nan)
    elif tradition.per_track == "windows":
        yield from _scores(scores.windows, measure.removeprefix("v3 "))
    elif tradition.per_track == "frames":
        yield from _scores(scores.frames, measure)
    else:
        yield _median(_scores(scores.frames, measure))


def _scores(frames: Frames | None, name: str) -> Values:
    return np.zeros(0) if frames is None else frames.scores[name]


def _median(values: Values) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan
