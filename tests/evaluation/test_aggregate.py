from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmixcli.evaluation.aggregate import TRADITIONS, Aggregate, aggregate, track_values
from unmixcli.evaluation.measure import Frames, TargetScores
from unmixcli.evaluation.record import TargetRecord, TrackRecord
from unmixcli.evaluation.results import RunResults
from unmixcli.evaluation.tables import aggregate_tables


def frames(values: Sequence[float], names: Sequence[str]) -> Frames:
    table = np.array(values, dtype=np.float64)
    return Frames(
        np.arange(len(table)) * 1.0,
        1.0,
        dict.fromkeys(names, table),
        np.zeros(len(table), np.bool_),
    )


def target(
    sdr: Sequence[float],
    windows: Sequence[float],
    values: Mapping[str, float],
    *,
    silent: bool = False,
    alone: bool = False,
) -> TargetRecord:
    scores = TargetScores(
        frames(sdr, ("SDR", "ISR", "SIR", "SAR")),
        frames(windows, ("SDR", "SIR", "SAR")),
        dict(values),
    )
    return TargetRecord("vocals", ("vocals",), ("vocals",), silent, alone, scores)


def run_of(*targets: TargetRecord, failures: Sequence[str] = ()) -> RunResults:
    names = [f"track {at}" for at in range(len(targets))]
    records = {
        name: TrackRecord(name, "m", {"data": name}, (own,))
        for name, own in zip(names, targets, strict=True)
    }
    return RunResults(
        folder=Path("run"),
        method="m",
        dataset="d",
        splits=(),
        settings={"window_s": 1.0, "hop_s": 1.0, "metrics": []},
        tracks=(*names, *failures),
        records={"m": records},
        failures=dict.fromkeys(failures, "reason"),
    )


def found(results: RunResults, tradition: str, measure: str) -> Aggregate:
    (one,) = [a for a in aggregate(results) if (a.tradition, a.measure) == (tradition, measure)]
    return one


NAN = math.nan
RUN = run_of(
    target([1, 2, 9, NAN], [1, 2, 3], {"v3 SDR": 1, "NSDR": 4, "global SDR": 2}),
    target([4, 6], [10], {"v3 SDR": 2, "NSDR": 5, "global SDR": 4}),
    target([30], [20, 40], {"v3 SDR": 9, "NSDR": 9, "global SDR": 12}),
    target([NAN, NAN], [NAN], {"v3 SDR": NAN, "leak": -30}, silent=True),
    target([NAN], [NAN], {"v3 SDR": NAN}, alone=True),
    failures=("broken",),
)


@pytest.mark.parametrize(
    ("tradition", "measure", "value"),
    [
        # Medians of the tracks: 2, 5, 30.
        ("median of frames, median of tracks", "SDR", 5),
        ("median of all frames", "SDR", np.median([1, 2, 9, 4, 6, 30])),
        ("mean of tracks", "v3 SDR", 4),
        ("mean of tracks", "NSDR", 6),
        ("mean of tracks", "leak", -30),
        ("median of 30 s windows", "v3 SDR", np.median([1, 2, 3, 10, 20, 40])),
        ("median of tracks", "v3 SDR", 2),
        ("mean of global SDR", "global SDR", 6),
    ],
)
def test_each_tradition_by_hand(tradition: str, measure: str, value: float) -> None:
    assert found(RUN, tradition, measure).value == pytest.approx(value)


def test_what_was_not_counted_is_counted() -> None:
    one = found(RUN, "median of frames, median of tracks", "SDR")
    assert (one.tracks, one.silent, one.failed) == (3, 2, 1)
    assert found(RUN, "mean of tracks", "leak").tracks == 1


def test_frames_that_mean_little_are_counted() -> None:
    one = target([1, 2, 9, NAN], [1], {"NSDR": 4})
    assert one.scores.frames is not None
    # The last frame has no scores, so it does not count.
    flags = np.array([True, False, True, True])
    flagged = replace(
        one, scores=replace(one.scores, frames=replace(one.scores.frames, ill_conditioned=flags))
    )
    run = run_of(flagged, target([5], [1], {"NSDR": 4}))
    assert found(run, "median of frames, median of tracks", "SIR").flagged == 2 / 4
    assert math.isnan(found(run, "mean of tracks", "NSDR").flagged)
    (table, *_) = aggregate_tables(aggregate(run))
    assert table.headings[-1] == "ill-conditioned"
    assert table.rows[0][-1] == "50 %"


def test_the_interval_is_around_the_value_and_always_the_same() -> None:
    one = found(RUN, "mean of tracks", "v3 SDR")
    assert one.low < one.value < one.high
    again = found(RUN, "mean of tracks", "v3 SDR")
    assert (again.low, again.high) == (one.low, one.high)


def test_a_measure_that_nobody_has_is_left_out() -> None:
    assert not [a for a in aggregate(RUN) if a.measure in ("OA", "SI-SDR", "LSD")]


def test_traditions_have_names_of_their_own() -> None:
    names = [tradition.name for tradition in TRADITIONS]
    assert len(set(names)) == len(names)


def test_a_track_gives_the_median_of_its_frames() -> None:
    values = track_values(target([1, 2, 9, NAN], [1], {"NSDR": 4}))
    assert values == {"SDR": 2, "ISR": 2, "SIR": 2, "SAR": 2, "NSDR": 4}
