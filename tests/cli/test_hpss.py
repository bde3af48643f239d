"""`unmix hpss` in this process: what is written, what is printed, how it ends."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import RATE, Outcome, noise

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
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[0]["name"] == "median"
    assert [e["stem"] for e in events if e["event"] == "stem"] == list(PAIR)
    assert events[-1]["done"] == 1
    assert list(events[-1]["failed"]) == [str(tmp_path / "gone.wav")]


@pytest.mark.parametrize("phase", ["mixture", "pu", "wiener"])
def test_measures_are_told_on_demand(unmix: Unmix, song: Path, tmp_path: Path, phase: str) -> None:
    words = ["hpss", song, "-o", tmp_path, "--phase", phase, "--json"]
    assert "inconsistency" not in unmix(*words).out
    events = [json.loads(line) for line in unmix(*words, "-v", "--overwrite").out.splitlines()]
    (said,) = (event["message"] for event in events if event["event"] == "notice")
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


def test_plot(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.wav"
    outcome = unmix("hpss", gone, song, "-o", tmp_path / "out", "--plot")
    assert outcome.code == 1
    assert outcome.err.splitlines() == [f"unmix: error: {gone}: no such file"]
    picture = tmp_path / "out" / song.stem / f"{song.stem}.spectrograms.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "out").rglob("*.png"))) == 1


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
    import sys

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
