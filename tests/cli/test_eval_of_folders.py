"""`unmix eval --estimates`: what must not be scored in silence, and what must be told."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluation.runs_for_tests import RATE, noise, write_stems
from unmixcli.data.tracks import Manifest, read_dataset
from unmixcli.evaluation.results import read_run

STEMS = ("vocals", "drums", "other")


@pytest.fixture
def studio(tmp_path, monkeypatch):
    """Two tracks of three stems in `ref`, and slightly louder ones in `tool`."""
    monkeypatch.chdir(tmp_path)
    for seed, track in enumerate(("a", "b")):
        stems = {name: noise(10 * seed + at) for at, name in enumerate(STEMS)}
        write_stems(tmp_path / "ref" / track, stems)
        leak = 0.05 * sum(stems.values())
        write_stems(tmp_path / "tool" / track, {name: x + leak for name, x in stems.items()})
    return tmp_path


@pytest.fixture
def score(unmix, studio):
    def call(*words, estimates="tool", metrics="sisdr"):
        return unmix(
            "eval", "--estimates", estimates, "--references", "ref", "--metrics", metrics,
            "--no-audio", "--out", "run", *words,
        )  # fmt: skip

    return call


def rewrite(path: Path, change) -> None:
    samples, rate = soundfile.read(path, dtype="float32")
    soundfile.write(path, change(samples), rate, subtype="FLOAT")


def test_a_stem_that_is_silent_everywhere_has_its_row(studio, score) -> None:
    for path in (studio / "ref").glob("*/vocals.wav"):
        rewrite(path, np.zeros_like)
    done = score()
    assert done.code == 0, done.err
    (row,) = (line.split() for line in done.out.splitlines() if line.startswith("vocals"))
    assert row[-3:] == ["2", "2", "0"]


def test_a_silent_estimate_counts(studio, score) -> None:
    rewrite(studio / "tool" / "a" / "vocals.wav", np.zeros_like)
    assert score(metrics="sisdr,lsd").code == 0
    scores = read_run(studio / "run").own["a"].targets
    (vocals,) = (target.scores.values for target in scores if target.name == "vocals")
    assert vocals["global SDR"] == pytest.approx(0.0, abs=1e-3)
    assert np.isfinite(vocals["LSD"])
    assert np.isnan(vocals.get("SI-SDR", np.nan))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: rewrite(path, lambda x: x[: RATE // 2]), "has 4000 samples, the mix of a"),
        (lambda path: rewrite(path, lambda x: np.stack([x, x], axis=1)), "channels"),
        (lambda path: soundfile.write(path, noise(0)[0], 2 * RATE), "the mix of a"),
    ],
)
def test_references_that_differ_among_themselves_fail_their_track(
    studio, score, change, words
) -> None:
    change(studio / "ref" / "a" / "drums.wav")
    done = score()
    assert done.code == 1
    assert words in done.err
    assert done.err.count("\n") == 1
    assert set(read_run(studio / "run").own) == {"b"}


def test_a_reference_that_lacks_a_stem_fails_its_track(studio, score) -> None:
    (studio / "ref" / "a" / "drums.wav").unlink()
    done = score()
    assert done.code == 1
    assert "a: its reference lacks drums, which other tracks have" in done.err


def test_estimates_that_lack_a_stem_throughout_fail(studio, score) -> None:
    for path in (studio / "tool").glob("*/other.wav"):
        path.unlink()
    done = score()
    assert done.code == 1
    assert done.err.count("lacks other; it has") == 2


def test_one_stem_is_all_that_some_tools_make(studio, score) -> None:
    for name in ("drums", "other"):
        for path in (studio / "tool").glob(f"*/{name}.wav"):
            path.unlink()
    assert score().code == 0


def test_scores_of_other_settings_are_not_read(studio, score) -> None:
    assert score("--window", "1", metrics="bsseval").code == 0
    facts = json.loads((studio / "run" / "run.json").read_text())
    facts["settings"]["window_s"] = 2.0
    (studio / "run" / "run.json").write_text(json.dumps(facts))
    assert not read_run(studio / "run").own


def test_scores_of_other_tracks_do_not_stay_beside(studio, score) -> None:
    assert score().code == 0
    (studio / "run" / "test" / "mine.json").write_text("{}")
    write_stems(studio / "away", {})
    (studio / "ref" / "b").rename(studio / "away" / "b")
    assert score().code == 0
    left = sorted(path.name for path in (studio / "run" / "test").iterdir())
    assert left == ["a.json", "mine.json"]


def test_a_tool_named_like_an_oracle_is_refused(studio, score) -> None:
    (studio / "tool").rename(studio / "irm1")
    done = score("--oracle", "irm", estimates="irm1")
    assert done.code == 2
    assert "irm1 is the name of an oracle too" in done.err


def test_runs_without_frames_load_in_museval(studio, score, monkeypatch) -> None:
    assert score(metrics="sisdr").code == 0
    # museval imports musdb, which wants the ffmpeg program.
    monkeypatch.setitem(sys.modules, "musdb", types.ModuleType("musdb"))
    store = importlib.import_module("museval").EvalStore()
    store.add_eval_dir(str(studio / "run"))
    assert set(store.df["track"]) == {"a", "b"}
    assert store.df["score"].isna().all()


def test_the_same_audio_has_one_hash_whatever_read_it(studio, score, unmix) -> None:
    assert score().code == 0
    manifest = studio / "manifest.json"
    read = read_dataset(studio / "ref")
    tracks = tuple(replace(track, sample_rate=RATE) for track in read.tracks)
    Manifest(read.dataset, tracks).to_json(manifest)
    done = unmix(
        "eval", "--estimates", "tool", "--references", str(manifest), "--metrics", "sisdr",
        "--no-audio", "--out", "run2",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert unmix("eval", "compare", "run", "run2").code == 0


def test_melody_that_nobody_wrote_down_is_told(score) -> None:
    done = score(metrics="melody")
    assert done.code == 0
    assert "melody: no track has its pitch written down" in done.out


def test_activity_is_shown(score) -> None:
    done = score(metrics="activity")
    assert done.code == 0
    assert "Means of tracks" in done.out


def test_the_null_test_is_reported(studio, score) -> None:
    # Three stems, each with a twentieth of the mix too much: together 15 %.
    assert score().code == 0
    lines = (studio / "run" / "scores.csv").read_text().splitlines()
    null = [line.split(",") for line in lines if "null test" in line]
    assert [line[0] for line in null] == ["a", "b"]
    assert float(null[0][4]) == pytest.approx(20 * np.log10(0.15), abs=0.01)
    assert "Null test" in (studio / "run" / "report.md").read_text()


def test_hops_of_no_use_are_refused_at_once(score) -> None:
    done = score("--hop", "0.000001")
    assert done.code == 2
    assert "--hop 1e-06: must be 0.001 s or more" in done.err


def test_a_split_has_a_folder_of_its_own(studio, unmix) -> None:
    for split in ("train", "test"):
        (studio / "ref" / split).mkdir()
    (studio / "ref" / "a").rename(studio / "ref" / "train" / "a")
    (studio / "ref" / "b").rename(studio / "ref" / "test" / "b")
    words = ("eval", "--estimates", "tool", "--references", "ref", "--metrics", "sisdr")
    for split in ((), ("--split", "train"), ("--split", "all")):
        assert unmix(*words, "--no-audio", *split).code == 0
    folders = sorted(path.name for path in (studio / "evaluation").iterdir())
    assert folders == ["ref", "ref-all", "ref-train"]


def test_leftovers_of_a_kill_are_removed(studio, score, unmix) -> None:
    folder = studio / "run" / "audio" / "a"
    folder.mkdir(parents=True)
    (folder / ".x.1.spool.part").write_bytes(b"x")
    done = unmix(
        "eval", "--estimates", "tool", "--references", "ref", "--metrics", "sisdr", "--out", "run"
    )
    assert done.code == 0, done.err
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.6, 1.0])
def test_ctrl_c_while_libraries_load(studio, after_s) -> None:
    command = str(Path(sys.executable).with_name("unmix"))
    words = [command, "eval", "--estimates", "tool", "--references", "ref", "--out", "run"]
    with subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        time.sleep(after_s)
        for _ in range(3):
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.03)
        _, err = process.communicate(timeout=60)
    # Before Python itself has come to our first line it answers in its own words.
    assert process.returncode in ((130, -signal.SIGINT, 1) if after_s < 0.2 else (130,))
    if after_s >= 0.3:
        assert err.splitlines()[-1] == "unmix: interrupted; what is finished stays"
