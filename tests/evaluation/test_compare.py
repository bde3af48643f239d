from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from evaluation.runs_for_tests import QUICK, Blend, noise, quick_run, write_stems
from unmixcli.data.tracks import Manifest, read_dataset
from unmixcli.errors import InputError, UsageError
from unmixcli.evaluation.aggregate import track_values
from unmixcli.evaluation.compare import compare, sign_test
from unmixcli.evaluation.results import read_run


@pytest.mark.parametrize("better", range(0, 12, 3))
@pytest.mark.parametrize("worse", [0, 1, 5, 60, 2000])
def test_the_sign_test_is_the_exact_binomial(better: int, worse: int) -> None:
    if better + worse == 0:
        assert sign_test(0, 0) == 1
        return
    wanted = binomtest(better, better + worse).pvalue
    assert sign_test(better, worse) == pytest.approx(wanted, rel=1e-9)
    assert sign_test(worse, better) == sign_test(better, worse)


def test_differences_are_of_the_same_track(manifest: Manifest, tmp_path: Path) -> None:
    for share in (0.5, 0.3, 0.1):
        quick_run(manifest, tmp_path / str(share), Blend(share, name=f"share {share}"))
    runs = [read_run(tmp_path / str(share)) for share in (0.5, 0.3, 0.1)]
    found = compare(runs)
    pairs = {(one.first, one.second) for one in found}
    assert pairs == {
        ("share 0.5", "share 0.3"), ("share 0.5", "share 0.1"), ("share 0.3", "share 0.1")
    }  # fmt: skip
    (one,) = [
        c
        for c in found
        if (c.first, c.second, c.target, c.measure)
        == ("share 0.5", "share 0.1", "vocals", "global SDR")
    ]
    values = [
        [track_values(record.targets[0])["global SDR"] for record in run.own.values()]
        for run in (runs[0], runs[2])
    ]
    differences = [b - a for a, b in zip(*values, strict=True)]
    assert one.mean == pytest.approx(sum(differences) / 3)
    assert (one.better, one.worse, one.tracks) == (3, 0, 3)
    assert one.p == 0.25
    assert one.low <= one.mean <= one.high


def test_a_run_does_not_differ_from_itself(manifest: Manifest, tmp_path: Path) -> None:
    for name in ("one", "other"):
        quick_run(manifest, tmp_path / name)
    found = compare([read_run(tmp_path / "one"), read_run(tmp_path / "other")])
    assert {(c.mean, c.better, c.worse, c.p) for c in found} == {(0.0, 0, 0, 1.0)}
    # Runs of one name are told apart by their folders.
    assert found[0].first == str(tmp_path / "one")


def test_other_audio_is_refused(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "one")
    write_stems(data / "third's", {"vocals": noise(77)})
    quick_run(read_dataset(data), tmp_path / "other")
    with pytest.raises(InputError, match="third's is not the same audio"):
        compare([read_run(tmp_path / "one"), read_run(tmp_path / "other")])


def test_other_frames_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "one")
    quick_run(manifest, tmp_path / "other", settings=replace(QUICK, window_s=2.0))
    with pytest.raises(InputError, match="differ in window_s"):
        compare([read_run(tmp_path / "one"), read_run(tmp_path / "other")])


def test_runs_without_a_common_track_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    for number, name in enumerate(("one", "other")):
        quick_run(replace(manifest, tracks=manifest.tracks[number : number + 1]), tmp_path / name)
    with pytest.raises(InputError, match="no scored track in common"):
        compare([read_run(tmp_path / "one"), read_run(tmp_path / "other")])


def test_one_run_is_no_comparison(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "one")
    with pytest.raises(UsageError, match="two or more"):
        compare([read_run(tmp_path / "one")])
