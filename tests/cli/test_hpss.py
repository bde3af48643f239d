"""`unmix hpss` in this process: what is written, what is printed, how it ends."""

from __future__ import annotations

import errno
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from conftest import RATE, Outcome, noise
from unmixcli.batch import events
from unmixcli.cli.display import Lines

Unmix = Callable[..., Outcome]
PAIR = ("harmonic", "percussive")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Half a second of a tone and clicks, in a file whose name wants care."""
    path = tmp_path / "ein Lied 🎵.wav"
    samples = 0.1 * noise(0.5)
    samples += 0.2 * np.sin(2 * np.pi * 440 * np.arange(len(samples)) / RATE)[:, None]
    samples[5000::5000] = 0.9
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def stems_of(folder: Path, *names: str) -> list[np.ndarray]:
    return [read(folder / f"{name}.wav") for name in names]


def test_needs_no_option(unmix: Unmix, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(song.parent)
    outcome = unmix("hpss", song.name)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0] == "median: harmonic, percussive on cpu"
    folder = song.parent / "separated" / song.stem
    written = sorted(path.name for path in folder.iterdir())
    assert written == [f"{song.stem}.hpss.unmix.json", "harmonic.wav", "percussive.wav"]
    harmonic, percussive = stems_of(folder, *PAIR)
    assert np.abs(harmonic + percussive - read(song)).max() < 1e-4
    # The clicks.
    assert np.abs(percussive).max() > 2 * np.abs(harmonic).max()


@pytest.mark.parametrize(
    "words",
    [
        ["--method", "hpr"],
        ["--method", "kam-published", "--setting", "2", "--residual", "--phase", "pu"],
        ["--margin", "2", "--phase", "wiener"],
    ],
)
def test_three_stems_sum_to_the_song(
    unmix: Unmix, song: Path, tmp_path: Path, words: list[str]
) -> None:
    assert unmix("hpss", song, "-o", tmp_path, "--bits", "32f", *words).code == 0
    stems = stems_of(tmp_path / song.stem, *PAIR, "residual")
    assert np.abs(sum(stems) - read(song)).max() < 1e-5
    assert all(np.abs(stem).max() > 1e-4 for stem in stems)


def test_what_is_done_is_skipped_until_an_option_changes(
    unmix: Unmix, song: Path, tmp_path: Path
) -> None:
    words = ["hpss", song, "-o", tmp_path, "--skip-existing"]
    assert "up to date" not in unmix(*words).out
    assert "up to date" in unmix(*words).out
    for changed in (["--phase", "wiener"], ["--margin", "2"], ["--method", "hpr"]):
        assert "up to date" not in unmix(*words, *changed).out
        assert "up to date" in unmix(*words, *changed).out
    refused = unmix("hpss", song, "-o", tmp_path)
    assert refused.code == 1
    assert "--overwrite" in refused.err


def test_manifest_names_the_method(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    assert unmix("hpss", song, "-o", tmp_path, "--method", "hpr", "--margin", "3").code == 0
    manifest = json.loads((tmp_path / song.stem / f"{song.stem}.hpss.unmix.json").read_text())
    fingerprint = manifest["fingerprint"]
    assert fingerprint["model"] == "hpr"
    assert fingerprint["settings"]["options"]["margin"] == 3.0
    assert set(manifest["outputs"]) == {*PAIR, "residual"}


def test_json(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    outcome = unmix("hpss", song, tmp_path / "gone.wav", "-o", tmp_path / "out", "--json")
    assert outcome.code == 1
    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert told[0]["name"] == "median"
    assert [e["stem"] for e in told if e["event"] == "stem"] == list(PAIR)
    assert told[-1]["done"] == 1
    assert list(told[-1]["failed"]) == [str(tmp_path / "gone.wav")]


@pytest.mark.parametrize("phase", ["mixture", "pu", "wiener"])
def test_measures_are_told_on_demand(unmix: Unmix, song: Path, tmp_path: Path, phase: str) -> None:
    words = ["hpss", song, "-o", tmp_path, "--phase", phase, "--json"]
    assert "inconsistency" not in unmix(*words).out
    lines = unmix(*words, "-v", "--overwrite").out.splitlines()
    notices = [event for event in map(json.loads, lines) if event["event"] == "notice"]
    (said,) = (event["message"] for event in notices)
    level = r"-\d+\.\d dB"
    both = f"harmonic {level}, percussive {level}"
    assert re.fullmatch(f"inconsistency: {both}; mixing error: {level}", said)
    told = unmix(*words[:-1], "-v", "--skip-existing").out
    assert "up to date" in told


def test_dry_run_writes_nothing(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    outcome = unmix("hpss", song, "-o", tmp_path / "out", "--dry-run", "--stems", "harmonic")
    assert outcome.code == 0
    assert f"{song} -> {tmp_path / 'out' / song.stem / 'harmonic.wav'}" in outcome.out
    assert not (tmp_path / "out").exists()


def pictures(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def test_the_picture_is_a_file_of_its_track(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    gone, out = tmp_path / "gone.wav", tmp_path / "out"
    outcome = unmix("hpss", gone, song, "-o", out, "--plot", "--json")
    assert outcome.code == 1
    assert outcome.err.splitlines() == [f"unmix: error: {gone}: no such file"]
    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert told[0]["outputs"] == [*PAIR, "spectrograms"]
    written = [event for event in told if event["event"] == "stem"]
    assert [event["stem"] for event in written] == [*PAIR, "spectrograms"]
    assert [event["event"] for event in told].index("finished") > told.index(written[-1])
    picture = out / song.stem / "spectrograms.png"
    assert written[-1]["path"] == str(picture)
    assert written[-1]["samples"] == written[0]["samples"] == RATE // 2
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert pictures(out) == [f"{song.stem}/spectrograms.png"]
    manifest = json.loads((picture.parent / f"{song.stem}.hpss.unmix.json").read_text())
    assert manifest["outputs"]["spectrograms"]["bytes"] == picture.stat().st_size


def test_a_track_is_done_with_its_picture(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    words = ["hpss", song, "-o", tmp_path / "out", "--skip-existing"]
    assert unmix(*words).code == 0
    first = unmix(*words, "--plot")
    picture = tmp_path / "out" / song.stem / "spectrograms.png"
    assert f"  {picture}" in first.out.splitlines()
    assert "up to date" in unmix(*words, "--plot").out
    picture.unlink()
    assert "up to date" not in unmix(*words, "--plot").out
    assert picture.is_file()
    assert unmix("hpss", song, "-o", tmp_path / "out", "--plot", "--overwrite").code == 0


def test_a_stem_that_another_command_replaced_is_done_again(
    unmix: Unmix, song: Path, tmp_path: Path
) -> None:
    hpss = ["hpss", song, "-o", tmp_path, "--skip-existing"]
    separate = ["separate", song, "-m", "hpss-mdensenet", "-o", tmp_path, "--skip-existing"]
    stem = tmp_path / song.stem / "harmonic.wav"
    assert unmix(*separate).code == 0
    learned = stem.read_bytes()
    assert "up to date" not in unmix(*hpss).out
    assert stem.read_bytes() != learned
    assert "up to date" in unmix(*hpss).out
    again = unmix(*separate)
    assert (again.code, "up to date" in again.out) == (0, False)
    assert stem.read_bytes() == learned


def test_a_picture_of_others_is_not_replaced(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    picture = tmp_path / song.stem / "spectrograms.png"
    picture.parent.mkdir()
    picture.write_text("a holiday")
    for words in ([], ["--skip-existing"]):
        refused = unmix("hpss", song, "-o", tmp_path, "--plot", *words)
        assert refused.code == 1
        assert f"{picture}: " in refused.err
        assert "--overwrite" in refused.err
    assert [path.name for path in picture.parent.iterdir()] == [picture.name]
    assert picture.read_text() == "a holiday"


def test_a_track_whose_picture_fails_is_absent(
    unmix: Unmix, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, out = tmp_path / "other.wav", tmp_path / "out"
    shutil.copy(song, other)
    draw = Figure.savefig

    def on_a_small_disk(self: Figure, path: Path, **options: object) -> None:
        if song.stem in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        draw(self, path, **options)

    monkeypatch.setattr(Figure, "savefig", on_a_small_disk)
    outcome = unmix("hpss", song, other, "-o", out, "--plot")
    assert outcome.code == 1
    picture = out / song.stem / "spectrograms.png"
    message = f"unmix: error: {picture}: cannot be written: No space left on device"
    assert outcome.err.splitlines() == [message]
    assert not [path for path in (out / song.stem).rglob("*") if path.is_file()]
    assert pictures(out) == ["other/spectrograms.png"]


def test_an_interrupted_batch_keeps_the_pictures_of_its_tracks(
    unmix: Unmix, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, out = tmp_path / "other.wav", tmp_path / "out"
    shutil.copy(song, other)
    start = Lines.__call__

    def stop_at_the_second(self: Lines, event: events.Event) -> None:
        if isinstance(event, events.Started) and event.index == 1:
            raise KeyboardInterrupt
        start(self, event)

    monkeypatch.setattr(Lines, "__call__", stop_at_the_second)
    assert unmix("hpss", song, other, "-o", out, "--plot").code == 130
    assert pictures(out) == [f"{song.stem}/spectrograms.png"]


def test_without_matplotlib_nothing_begins(
    unmix: Unmix, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    outcome = unmix("hpss", song, "-o", tmp_path / "out", "--plot")
    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        "unmix: error: --plot: needs Matplotlib, which is not installed; "
        "get it by: pip install 'unmixcli[plot]'"
    ]
    assert not (tmp_path / "out").exists()


def test_pictures_are_planned(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    words = ["hpss", song, "-o", tmp_path / "out", "--plot"]
    planned = unmix(*words, "--dry-run").out
    assert f"{song} -> {tmp_path / 'out' / song.stem / 'spectrograms.png'}" in planned
    flat = unmix(*words, "--name", "{track} {stem}.{ext}", "--format", "flac")
    assert flat.code == 0, flat.err
    assert pictures(tmp_path / "out") == [f"{song.stem} spectrograms.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "htdemucs"], "--method htdemucs: has no stems harmonic and percussive"),
        (["--method", "kam", "--margin", "2"], "--margin: kam has none"),
        (["--margin", "0.5"], "--margin 0.5: must be a number from 1 to 1000000"),
        (["--stems", "vocals"], "median has no stem 'vocals'"),
        (["--setting", "3"], "--setting"),
        (["--phase", "none"], "--phase"),
        (["-o", "-"], "--out - takes one stem, not harmonic, percussive; name it by --stems"),
        (["-o", "-", "-s", "harmonic", "--plot"], "--plot and --out -"),
        (["--skip-existing", "--overwrite"], "contradict"),
        (["--quiet", "-v"], "--quiet and --verbose contradict each other"),
        (["--device", "cuda", "--dry-run"], "--device cuda"),
    ],
)
def test_wrong_usage(unmix: Unmix, song: Path, words: list[str], message: str) -> None:
    outcome = unmix("hpss", song, *words)
    assert outcome.code == (1 if "cuda" in words else 2)
    assert message in outcome.err
    assert len(outcome.err.splitlines()) <= 2


def test_one_stem_through_the_shell(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], song: Path, tmp_path: Path
) -> None:
    dashed = tmp_path / "-dash.wav"
    song.rename(dashed)
    done = shell("hpss", "-o", "-", "-s", "percussive", "--", "-dash.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    samples, rate = soundfile.read(io.BytesIO(done.stdout))
    assert (samples.shape, rate) == ((RATE // 2, 2), RATE)


def test_help_imports_nothing_heavy(unmix: Unmix) -> None:
    outcome = unmix("hpss", "--help")
    assert outcome.code == 0
    assert "--method" in outcome.out
    code = (
        "import sys, unmixcli.cli.hpss; assert not {'torch', 'numpy', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_goes_beside_what_separate_wrote(
    unmix: Unmix, song: Path, tmp_path: Path, small_model: Path
) -> None:
    words = ("--out", tmp_path / "out", "--skip-existing")
    assert unmix("hpss", song, *words).code == 0
    assert unmix("separate", song, "--model", small_model, *words).code == 0
    again = unmix("hpss", song, "--phase", "mixture", *words)
    assert again.code == 0, again.err
    assert "up to date" in again.out
    assert "up to date" in unmix("separate", song, "--model", small_model, *words).out


def test_a_margin_has_an_end(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    outcome = unmix("hpss", song, "--margin", "1e300", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "must be a number from 1 to 1000000" in outcome.err


def test_a_built_in_model_needs_no_prefix(unmix: Unmix, song: Path) -> None:
    for name in ("mdensenet", "hpss-mdensenet"):
        planned = unmix("hpss", song, "--method", name, "--dry-run")
        assert planned.code == 0, planned.err
        assert planned.out.startswith("hpss-mdensenet: harmonic, percussive")


def test_each_stage_of_hpr_says_which_it_is(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    told = unmix("hpss", song, "--method", "hpr", "-v", "--out", tmp_path / "out").out
    assert "first stage: " in told
    assert "second stage, of the rest: " in told
