from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluation.runs_for_tests import (
    QUICK,
    RATE,
    Blend,
    Events,
    noise,
    quick_run,
    scores,
    write_stems,
)
from unmixcli.data.tracks import Manifest, Track, read_dataset
from unmixcli.errors import InputError
from unmixcli.evaluation.estimates import FolderEstimator
from unmixcli.evaluation.events import Failed, Finished, Progress, Started
from unmixcli.evaluation.results import read_run
from unmixcli.evaluation.run import evaluate

NAMES = ["first song", "third's", "Ä & <b>"]


def test_every_track_is_told_and_scored(manifest: Manifest, tmp_path: Path) -> None:
    events = Events()
    summary = evaluate(manifest, Blend(), QUICK, folder=tmp_path / "run", listener=events)
    assert summary.exit_code == 0
    assert [e.track for e in events if isinstance(e, Started)] == NAMES
    assert [e.track for e in events if isinstance(e, Finished)] == NAMES
    shares = [e.share for e in events if isinstance(e, Progress) and e.index == 0]
    assert shares == sorted(shares)
    assert set(read_run(tmp_path / "run").own) == set(NAMES)


def test_the_number_of_workers_changes_no_byte(manifest: Manifest, tmp_path: Path) -> None:
    settings = replace(QUICK, oracles=("irm1", "mixture"))
    quick_run(manifest, tmp_path / "one", settings=settings)
    quick_run(manifest, tmp_path / "three", settings=settings, jobs=3)
    assert scores(tmp_path / "one") == scores(tmp_path / "three")
    assert len(scores(tmp_path / "one")) == 1 + 3 * 3


def test_workers_are_parallel(manifest: Manifest, tmp_path: Path) -> None:
    meeting = threading.Barrier(3, timeout=30)

    class Meeting(Blend):
        def estimate(self, *words: object, **options: object) -> object:  # type: ignore[override]
            meeting.wait()
            return super().estimate(*words, **options)  # type: ignore[arg-type]

    assert not quick_run(manifest, tmp_path / "run", Meeting(), jobs=3).failures


def test_what_is_done_is_not_done_again(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    (tmp_path / "run" / "test" / "third's.json").unlink()
    before = scores(tmp_path / "run")
    again = Blend()
    summary = quick_run(manifest, tmp_path / "run", again)
    assert (summary.done, summary.skipped) == (1, 2)
    assert again.calls == ["third's"]
    assert {name: scores(tmp_path / "run")[name] for name in before} == before


def test_a_changed_song_is_done_again(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    write_stems(data / "third's", {"vocals": noise(77)})
    again = Blend()
    quick_run(read_dataset(data), tmp_path / "run", again)
    assert again.calls == ["third's"]


def test_a_changed_model_or_setting_is_done_again(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    assert quick_run(manifest, tmp_path / "run", Blend(0.2)).done == 3
    assert quick_run(manifest, tmp_path / "run", Blend(0.2)).skipped == 3
    wider = replace(QUICK, window_s=2.0)
    assert quick_run(manifest, tmp_path / "run", Blend(0.2), wider).done == 3


def test_an_oracle_can_follow_without_separating_again(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    again = Blend()
    settings = replace(QUICK, oracles=("irm1",))
    assert quick_run(manifest, tmp_path / "run", again, settings).done == 3
    assert again.calls == []
    quick_run(manifest, tmp_path / "whole", settings=settings)
    assert scores(tmp_path / "run") == scores(tmp_path / "whole")


def test_an_oracle_of_one_stem_knows_the_rest(manifest: Manifest, tmp_path: Path) -> None:
    class VoiceOnly(Blend):
        def stems(self, track: object) -> tuple[str, ...]:
            return ("vocals",)

    settings = replace(QUICK, oracles=("irm1",))
    quick_run(manifest, tmp_path / "one", VoiceOnly(), settings)
    quick_run(manifest, tmp_path / "two", Blend(), settings)
    found, wanted = (
        read_run(tmp_path / name).records["irm1"]["third's"].targets[0].scores.values["SI-SDR"]
        for name in ("one", "two")
    )
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_run_that_was_broken_off_ends_in_the_same_bytes(
    manifest: Manifest, tmp_path: Path
) -> None:
    class Interrupted(Blend):
        def estimate(self, track: object, *words: object, **options: object) -> object:  # type: ignore[override]
            if len(self.calls) == 1:
                raise KeyboardInterrupt
            return super().estimate(track, *words, **options)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        quick_run(manifest, tmp_path / "broken", Interrupted())
    assert len(scores(tmp_path / "broken")) == 2
    quick_run(manifest, tmp_path / "broken")
    quick_run(manifest, tmp_path / "whole")
    assert scores(tmp_path / "broken") == scores(tmp_path / "whole")


def test_an_interrupt_does_not_wait_for_the_others(manifest: Manifest, tmp_path: Path) -> None:
    started, finished = threading.Event(), []

    class Long(Blend):
        def estimate(self, track: Track, *words: object, **options: object) -> object:  # type: ignore[override]
            if track.name == NAMES[0]:
                assert started.wait(60)
                raise KeyboardInterrupt
            started.set()
            for _ in range(3000):
                time.sleep(0.01)
            finished.append(track.name)
            return {}

    with pytest.raises(KeyboardInterrupt):
        quick_run(manifest, tmp_path / "run", Long(), jobs=2)
    assert finished == []
    assert read_run(tmp_path / "run").failures == {}


def test_a_bad_track_fails_and_the_rest_goes_on(
    manifest: Manifest, estimates: Callable[[], Path], tmp_path: Path
) -> None:
    folder = estimates()
    write_stems(folder / "first song", {"vocals": noise(0)[:, 1:]})
    (folder / "third's" / "vocals.wav").unlink()
    events = Events()
    summary = evaluate(
        manifest, FolderEstimator(folder), QUICK, folder=tmp_path / "run", listener=events
    )
    assert summary.exit_code == 1
    assert summary.done == 1
    failed = {event.track: event.error for event in events if isinstance(event, Failed)}
    assert set(failed) == {"first song", "third's"}
    assert all("\n" not in reason for reason in failed.values())
    run = read_run(tmp_path / "run")
    assert run.failures == failed
    assert list(run.own) == ["Ä & <b>"]


def test_the_old_scores_of_a_track_that_now_fails_are_gone(
    manifest: Manifest, data: Path, tmp_path: Path
) -> None:
    quick_run(manifest, tmp_path / "run")
    quiet = np.zeros((3 * RATE, 1), np.float32)
    for name in ("vocals", "accompaniment"):
        soundfile.write(data / "third's" / f"{name}.wav", quiet, RATE, subtype="FLOAT")
    summary = quick_run(read_dataset(data), tmp_path / "run")
    assert "every reference is silent" in summary.failures["third's"]
    assert not (tmp_path / "run" / "test" / "third's.json").exists()
    assert summary.skipped == 2


def test_the_old_scores_of_a_track_that_now_lacks_a_stem_are_gone(
    manifest: Manifest, estimates: Callable[[], Path], tmp_path: Path
) -> None:
    folder = estimates()
    settings = replace(QUICK, oracles=("mixture",))
    quick_run(manifest, tmp_path / "run", FolderEstimator(folder), settings)
    (folder / "third's" / "vocals.wav").unlink()
    quick_run(manifest, tmp_path / "run", FolderEstimator(folder), settings)
    assert not list((tmp_path / "run").rglob("third's.json"))
    assert len(list((tmp_path / "run").rglob("first song.json"))) == 2


def test_a_bug_in_one_track_is_its_failure(manifest: Manifest, tmp_path: Path) -> None:
    class Broken(Blend):
        def estimate(self, track: object, *words: object, **options: object) -> object:  # type: ignore[override]
            if not self.calls:
                self.calls.append("")
                raise ZeroDivisionError("oh")
            return super().estimate(track, *words, **options)  # type: ignore[arg-type]

    summary = quick_run(manifest, tmp_path / "run", Broken())
    assert summary.failures == {"first song": "first song: internal error (ZeroDivisionError: oh)"}
    assert summary.done == 2


def test_stems_are_kept_for_the_ears(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run", settings=replace(QUICK, audio=True))
    folder = tmp_path / "run" / "audio" / "third's"
    names = {"mix", "vocals", "vocals reference", "accompaniment", "accompaniment reference"}
    assert {path.stem for path in folder.iterdir()} == names
    (folder / "vocals.mp3").unlink()
    again = Blend()
    quick_run(manifest, tmp_path / "run", again, replace(QUICK, audio=True))
    assert again.calls == ["third's"]
    assert (folder / "vocals.mp3").is_file()


def test_two_tracks_of_one_file_name_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    first = manifest.tracks[0]
    twins = replace(manifest, tracks=(replace(first, name="a?"), replace(first, name="A*")))
    with pytest.raises(InputError, match=r"two tracks for the file name 'a_'"):
        quick_run(twins, tmp_path / "run")


def test_no_tracks_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tracks"):
        quick_run(replace(manifest, tracks=()), tmp_path / "run")


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run"):
        read_run(tmp_path)
