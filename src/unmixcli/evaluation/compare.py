"""Runs against each other, track by track."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unmixcli.errors import InputError, UsageError
from unmixcli.evaluation.aggregate import by_target, track_values
from unmixcli.evaluation.bootstrap import interval
from unmixcli.evaluation.results import RunResults

MEASURES = (
    *("SDR", "SIR", "SAR", "ISR", "v3 SDR", "NSDR", "SI-SDR", "SI-SDRi", "global SDR", "SNR"),
    *("OA", "RPA", "RCA", "AUC", "F", "AUC (1 s)", "F (1 s)"),
)
"""Larger is better in all of them."""

_OF_ALL_TARGETS = ("SIR", "SAR")
"""What counts as interference depends on the other targets, so both runs must have the same."""


@dataclass(frozen=True)
class Comparison:
    """Differences of one measure of one target, second run minus first, over common tracks.

    Attributes:
        first: label of the one run.
        second: label of the other.
        target: the stem, or sum of stems.
        measure: dB; of SDR, ISR, SIR, SAR the median of a track's frames.
        tracks: how many both runs have scored.
        mean: of the differences.
        low: lower end of its bootstrap interval of 95 %, NaN for one track.
        high: the upper end.
        median: of the differences.
        better: tracks on which the second run is better.
        worse: tracks on which it is worse.
        p: two-sided probability of such a split if neither were better.
    """

    first: str
    second: str
    target: str
    measure: str
    tracks: int
    mean: float
    low: float
    high: float
    median: float
    better: int
    worse: int
    p: float


def compare(runs: Sequence[RunResults]) -> list[Comparison]:
    """Every pair of runs, on the targets and measures that both have.

    Raises:
        UsageError: for fewer than two runs.
        InputError: for runs with other settings or data, or without a common track and target.
    """
    if len(runs) < 2:
        raise UsageError(f"{len(runs)} run: comparing takes two or more; name their folders")
    names = labels(runs)
    compared: list[Comparison] = []
    for (first, one), (second, other) in itertools.combinations(zip(names, runs, strict=True), 2):
        _check(one, other)
        compared += _pair(one, other, first=first, second=second)
    return compared


def sign_test(better: int, worse: int) -> float:
    """The exact two-sided binomial probability of a split at least so uneven; ties are left out.

    `2 Σ_{k ≤ min} C(n, k) / 2ⁿ`, at most 1 (Dixon and Mood, 1946).
    """
    count = better + worse
    tail = sum(math.comb(count, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << count))


def labels(runs: Sequence[RunResults]) -> list[str]:
    """What tells the runs apart: their methods, else their folders."""
    methods = [run.method for run in runs]
    if len(set(methods)) == len(methods):
        return methods
    return [str(run.folder) for run in runs]


def _check(one: RunResults, other: RunResults) -> None:
    for name in ("window_s", "hop_s"):
        if one.settings[name] != other.settings[name]:
            raise InputError(
                f"{one.folder} and {other.folder} differ in {name} ({one.settings[name]} and "
                f"{other.settings[name]}); evaluate one of them again with the other's"
            )
    common = [track for track in one.own if track in other.own]
    if not common:
        raise InputError(f"{one.folder} and {other.folder} have no scored track in common")
    for track in common:
        if one.own[track].fingerprint["data"] != other.own[track].fingerprint["data"]:
            raise InputError(
                f"{track} is not the same audio in {one.folder} and {other.folder}; "
                "evaluate both on the same data"
            )


def _pair(one: RunResults, other: RunResults, *, first: str, second: str) -> list[Comparison]:
    found: list[Comparison] = []
    others = by_target(other.own)
    for target, records in by_target(one.own).items():
        values = {track: track_values(record) for track, record in records.items()}
        other_records = others.get(target, {})
        # A sum of other stems of the track is another target, whatever its name.
        matched = {
            track: track_values(record)
            for track, record in other_records.items()
            if track in records and record.reference == records[track].reference
        }
        alike = {track for track in matched if _references(one, track) == _references(other, track)}
        for measure in MEASURES:
            kept = alike if measure in _OF_ALL_TARGETS else set(matched)
            comparable = {track: matched[track] for track in matched if track in kept}
            differences = _differences(values, comparable, measure)
            if differences:
                found.append(
                    _comparison(differences, labels=(first, second), target=target, measure=measure)
                )
    if not found:
        raise InputError(f"{one.folder} and {other.folder} have no target in common")
    return found


def _references(run: RunResults, track: str) -> set[tuple[str, ...]]:
    return {target.reference for target in run.own[track].targets}


def _differences(
    values: Mapping[str, Mapping[str, float]],
    others: Mapping[str, Mapping[str, float]],
    measure: str,
) -> list[float]:
    pairs = [
        others[track].get(measure, math.nan) - values[track].get(measure, math.nan)
        for track in values
        if track in others
    ]
    return [difference for difference in pairs if math.isfinite(difference)]


def _comparison(
    differences: Sequence[float], *, labels: tuple[str, str], target: str, measure: str
) -> Comparison:
    better = sum(difference > 0 for difference in differences)
    worse = sum(difference < 0 for difference in differences)
    each = [np.array([difference]) for difference in differences]
    low, high = interval(each, "mean")
    return Comparison(
        first=labels[0],
        second=labels[1],
        target=target,
        measure=measure,
        tracks=len(differences),
        mean=float(np.mean(differences)),
        low=low,
        high=high,
        median=float(np.median(differences)),
        better=better,
        worse=worse,
        p=sign_test(better, worse),
    )
