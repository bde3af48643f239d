from __future__ import annotations

import importlib
import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.runs_for_tests import quick_run
from unmixcli.data.tracks import Manifest
from unmixcli.evaluation.aggregate import aggregate
from unmixcli.evaluation.measure import Frames, TargetScores
from unmixcli.evaluation.record import TargetRecord, TrackRecord, read_record
from unmixcli.evaluation.results import read_run


@pytest.fixture(scope="module")
def museval() -> Any:
    """`museval`; it wants musdb, which wants the ffmpeg program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "musdb", types.ModuleType("musdb"))
        return importlib.import_module("museval")


def frames(*sdr: float) -> Frames:
    values = np.array(sdr)
    return Frames(
        start_s=np.arange(len(sdr), dtype=np.float64),
        duration_s=1.0,
        scores=dict.fromkeys(("SDR", "ISR", "SIR", "SAR"), values),
        ill_conditioned=np.arange(len(sdr)) == 1,
    )


def record(**values: float) -> TrackRecord:
    scores = TargetScores(frames(1.0, math.nan, -0.000001, math.inf), frames(3.0), values)
    target = TargetRecord("vocals", ("vocals",), ("voice", "choir"), False, False, scores)
    return TrackRecord(
        track="Ä/b",
        method="m",
        fingerprint={"data": "1"},
        targets=(target,),
        facts={"duration_s": 4.0},
        notes=("a note",),
    )


def test_museval_reads_a_run_and_agrees(museval: Any, manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    store = museval.EvalStore(frames_agg="median", tracks_agg="median")
    store.add_eval_dir(tmp_path / "run")
    table = store.agg_frames_tracks_scores()
    own = [
        a
        for a in aggregate(read_run(tmp_path / "run"))
        if a.tradition == "median of frames, median of tracks"
    ]
    assert {(a.target, a.measure) for a in own} == set(table.index)
    assert len(own) == 8
    for a in own:
        assert a.value == pytest.approx(table[a.target, a.measure], abs=1e-9)
    assert set(store.df["track"]) == {"first song", "Ä & _b_", "third's"}


def test_a_track_fits_musevals_schema(museval: Any, manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    content = json.loads((tmp_path / "run" / "test" / "first song.json").read_text())
    store = museval.TrackStore("first song")
    store.scores = content
    store.validate()
    assert len(store.df) == 2 * 3 * 4


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    record(NSDR=1.234567891, leak=math.nan).write(path)
    found = read_record(path)
    assert found is not None
    (target,) = found.targets
    assert (found.track, found.method, found.notes) == ("Ä/b", "m", ("a note",))
    assert target.reference == ("voice", "choir")
    assert target.scores.values["NSDR"] == 1.23457
    assert math.isnan(target.scores.values["leak"])
    assert target.scores.frames is not None
    np.testing.assert_array_equal(
        target.scores.frames.scores["SDR"], [1.0, math.nan, 0.0, math.nan]
    )
    np.testing.assert_array_equal(target.scores.frames.ill_conditioned, [0, 1, 0, 0])
    assert target.scores.windows is not None
    assert target.scores.windows.scores["SAR"] == [3.0]


def test_the_same_scores_are_the_same_bytes(tmp_path: Path) -> None:
    record(NSDR=1.0, LSD=2.0).write(tmp_path / "a.json")
    record(LSD=2.0, NSDR=1.0 + 1e-9).write(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert b"-0.0" not in (tmp_path / "a.json").read_bytes()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"targets": []}'])
def test_what_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert read_record(tmp_path / "a.json") is None
    assert read_record(tmp_path / "b.json") is None
