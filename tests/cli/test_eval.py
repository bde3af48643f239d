"""`unmix eval`: what it prints, leaves and returns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from unmixcli.evaluation import files, job
from unmixcli.evaluation.results import read_run

RATE = 8000
TRACKS = ("a song", "b", "ç")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three tracks of noise in the split test, and one in train."""
    random = np.random.default_rng(0)
    for name in (*(f"test/{track}" for track in TRACKS), "train/other"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for stem in ("vocals", "accompaniment"):
            samples = 0.1 * random.standard_normal(2 * RATE)
            path = tmp_path / "data" / name / f"{stem}.wav"
            soundfile.write(path, samples, RATE, subtype="FLOAT")
    return tmp_path / "data"


@pytest.fixture
def made(data: Path, tmp_path: Path) -> Path:
    """Estimates by some other tool: the references, a little off."""
    random = np.random.default_rng(1)
    for path in (data / "test").rglob("*.wav"):
        samples, _ = soundfile.read(path)
        folder = tmp_path / "made" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        off = samples + 0.01 * random.standard_normal(len(samples))
        soundfile.write(folder / path.name, off, RATE, subtype="FLOAT")
    return tmp_path / "made"


def json_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.json"))}


QUICK = ("--metrics", "bsseval,sisdr", "--no-audio")


def test_a_model_is_scored_beside_oracles(
    unmix: Callable[..., Any], small_model: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    oracles = ("--oracle", "irm,mixture")
    done = unmix("eval", "--model", small_model, "--data", data, "--out", out, *oracles, *QUICK)
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0] == "[1/3] a song"
    assert lines[-2] == "3 scored"
    assert lines[-1] == f"report: {out / 'report.html'}"
    for method in ("small", "irm1", "mixture"):
        assert any(line.split()[:2] == ["vocals", method] for line in lines)
    assert {path.name for path in out.iterdir()} == {
        "run.json", "test", "oracles", "report.html", "report.md", "scores.csv", "aggregates.csv",
    }  # fmt: skip
    run = read_run(out)
    # The split test is taken where there is one.
    assert set(run.own) == set(TRACKS)
    again = unmix("eval", "--model", small_model, "--data", data, "--out", out, *oracles, *QUICK)
    assert again.out.splitlines()[:3] == [f"{name}: up to date" for name in TRACKS]
    assert "0 scored, 3 up to date" in again.out


def test_stems_are_kept_unless_told(
    unmix: Callable[..., Any], small_model: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ("--model", small_model, "--data", data, "--split", "train", "--out", out)
    assert unmix("eval", *words, "--metrics", "sisdr").code == 0
    found = sorted(path.name for path in (out / "audio" / "other").iterdir())
    assert found == [
        "accompaniment reference.mp3", "accompaniment.mp3", "mix.mp3",
        "vocals reference.mp3", "vocals.mp3",
    ]  # fmt: skip


def test_the_folder_of_a_run_is_named_after_data_and_model(
    unmix: Callable[..., Any],
    small_model: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert unmix("eval", "--model", small_model, "--data", data, "--split", "all", *QUICK).code == 0
    run = read_run(tmp_path / "evaluation" / "data-all" / "small")
    assert set(run.own) == {*TRACKS, "other"}


def test_files_of_another_tool_are_scored(
    unmix: Callable[..., Any], data: Path, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ("--estimates", made, "--references", data, "--out", out, *QUICK)
    assert unmix("eval", *words).code == 0
    values = read_run(out).own["b"].targets[0].scores.values
    assert values["SI-SDR"] == pytest.approx(20, abs=0.3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("rate", "has 16000 Hz, the reference of b 8000 Hz"),
        ("length", "has 15999 samples, the reference of b 16000 samples"),
        ("channels", "has 2 channels, the reference of b 1 channels"),
        ("stem", "b: lacks vocals; it has accompaniment"),
        ("track", "no such folder, so b has no estimates"),
        ("silence", "b: every reference is silent"),
        ("text", "is not an audio or video file"),
    ],
)
def test_a_bad_track_is_one_line_and_the_rest_goes_on(
    unmix: Callable[..., Any], data: Path, made: Path, tmp_path: Path, change: str, told: str
) -> None:
    path = made / "b" / "vocals.wav"
    samples, _ = soundfile.read(path)
    if change == "rate":
        soundfile.write(path, samples, 2 * RATE)
    elif change == "length":
        soundfile.write(path, samples[1:], RATE)
    elif change == "channels":
        soundfile.write(path, np.stack([samples] * 2, axis=1), RATE)
    elif change == "text":
        path.write_text("words")
    elif change == "silence":
        for stem in ("vocals", "accompaniment"):
            soundfile.write(data / "test" / "b" / f"{stem}.wav", 0 * samples, RATE)
    else:
        path.unlink()
    if change == "track":
        (made / "b" / "accompaniment.wav").unlink()
        path.parent.rmdir()
    out = tmp_path / "run"
    done = unmix("eval", "--estimates", made, "--references", data, "--out", out, *QUICK)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("unmix: error: ")
    assert told in line
    assert "2 scored, 1 failed" in done.out
    run = read_run(out)
    assert list(run.failures) == ["b"]
    assert set(run.own) == {"a song", "ç"}
    assert told in (out / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give one of --model NAME and --estimates DIR"),
        (("--model", "small", "--estimates", "made", "--data", "d"), "one of --model NAME and"),
        (("--model", "small"), "give one of --data FOLDER and --references DIR"),
        (("--model", "small", "--references", "d"), "--references goes with --estimates"),
        (("--model", "x", "--data", "d", "--metrics", "sdr"), "--metrics sdr: there are bsseval"),
        (("--model", "x", "--data", "d", "--oracle", "x"), "--oracle x: there are mixture"),
        (("--model", "x", "--data", "d", "--window", "0"), "--window 0.0: must be seconds above 0"),
        (("--model", "no-such", "--data", "{data}"), "no model is called 'no-such'"),
        (("--model", "x", "--data", "{data}", "--split", "b"), "has no split 'b'"),
        (("--model", "x", "--data", "{data}", "--kind", "b"), "Unknown kind of data set 'b'"),
        (("--model", "x", "--data", "{data}", "--jobs", "0"), "--jobs"),
    ],
)
def test_wrong_usage_is_told_and_exits_2(
    unmix: Callable[..., Any], data: Path, words: tuple[str, ...], told: str
) -> None:
    done = unmix("eval", *(word.format(data=data) for word in words))
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


def test_a_folder_of_nothing_exits_1(unmix: Callable[..., Any], tmp_path: Path) -> None:
    done = unmix("eval", "--model", "x", "--data", tmp_path / "gone")
    assert done.code == 1
    assert "does not exist" in done.err


def test_runs_are_compared(
    unmix: Callable[..., Any], small_model: Path, data: Path, made: Path, tmp_path: Path
) -> None:
    unmix("eval", "--model", small_model, "--data", data, "--out", tmp_path / "one", *QUICK)
    words = ("--estimates", made, "--references", data, "--out", tmp_path / "other", *QUICK)
    unmix("eval", *words)
    done = unmix("eval", "compare", tmp_path / "one", tmp_path / "other")
    assert done.code == 0
    (line,) = (
        line.split()
        for line in done.out.splitlines()
        if line.split()[:4] == ["small", "made", "vocals", "SI-SDRi"]
    )
    # Better on all of three tracks: 2 · (1/2)³.
    assert line[-4:] == ["3", "0", "3", "0.2500"]
    assert unmix("eval", "compare", tmp_path / "one").code == 2
    assert "is no run" in unmix("eval", "compare", tmp_path, tmp_path / "one").err


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(
    unmix: Callable[..., Any], small_model: Path, data: Path, tmp_path: Path
) -> None:
    words = ["eval", "--model", str(small_model), "--data", str(data), *QUICK, "--oracle", "irm"]
    out = tmp_path / "killed"
    command = [str(Path(sys.executable).with_name("unmix")), *words, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (out / "test" / "a song.json").is_file() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert len(json_bytes(out)) < 1 + 3 * 2
    kept = (out / "test" / "a song.json").stat().st_mtime_ns
    assert unmix(*words, "--out", out).code == 0
    assert unmix(*words, "--out", tmp_path / "whole", "--jobs", "2").code == 0
    assert json_bytes(out) == json_bytes(tmp_path / "whole")
    assert (out / "test" / "a song.json").stat().st_mtime_ns == kept


def test_ctrl_c_exits_130_and_leaves_no_partial_file(
    unmix: Callable[..., Any],
    small_model: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "measure", interrupted)
    out = tmp_path / "run"
    done = unmix("eval", "--model", small_model, "--data", data, "--out", out, "--metrics", "sisdr")
    assert done.code == 130
    assert not [path for path in out.rglob("*") if ".part" in path.name]
    assert not list(out.glob("test/*"))


def test_a_folder_that_cannot_be_written_is_told(
    unmix: Callable[..., Any], small_model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    done = unmix("eval", "--model", small_model, "--data", data, "--out", out, *QUICK)
    assert done.code == 1
    assert "cannot be written" in done.err
    assert files.RUN_FILE in done.err


def test_bars_and_a_table_on_a_terminal(data: Path, made: Path, tmp_path: Path) -> None:
    from unmixcli.cli.eval_display import Bars
    from unmixcli.evaluation.events import Failed, Finished, Progress, Skipped, Started
    from unmixcli.evaluation.tables import Table

    path = tmp_path / "screen"
    with path.open("w+") as stream:
        with Bars(stream) as bars:
            bars(Skipped(0, "old"))
            bars(Started(1, 4, "[b] song"))
            bars(Progress(1, 0.5, "scoring [m]"))
            bars(Finished(1, "[b] song", 2.0, ("bass",)))
            bars(Failed(2, "c", "broken"))
            bars.table(Table("T", ("stem", "method", "SDR"), (("a", "[b]", "1.00 [0.50, 2.00]"),)))
        stream.seek(0)
        text = stream.read()
    for words in ("old: up to date", "[b] song: 2.0 s, silent: bass", "[0.50, 2.00]", "[b]"):
        assert words in text
