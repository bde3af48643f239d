"""`unmix eval` of pitch that `unmix pitch` and `unmix separate --pitch` wrote, or a model gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile

from conftest import RATE, Outcome, noise
from pitch_models_for_tests import write_pitch_model
from unmixcli.data.tracks import read_f0
from unmixcli.data.tracks.stem_folder import stem_folder_track
from unmixcli.evaluation.estimates import FolderEstimator
from unmixcli.evaluation.melody import melody_scores
from unmixcli.evaluation.results import read_run

Unmix = Callable[..., Outcome]


@pytest.fixture
def references(tmp_path: Path) -> Path:
    """A song with vibrato and a rest; its annotation is in places an octave or a semitone off."""
    folder, times = tmp_path / "references" / "song", np.arange(2 * RATE) / RATE
    folder.mkdir(parents=True)
    f0_hz = 220.0 * 2 ** (0.3 * np.sin(2 * np.pi * 5 * times) / 12)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    voice = 0.2 * sum(np.sin(k * phase) / k for k in range(1, 7)) * (np.abs(times - 1) > 0.2)
    stems = {"vocals": np.tile(voice[:, None], (1, 2)), "accompaniment": 0.01 * noise(2.0)}
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="FLOAT")
    frames = np.arange(0.0, 2.0, 0.0058)
    annotated = np.interp(frames, times, f0_hz) * (np.abs(frames - 1) > 0.25)
    annotated[40:60] *= 2
    annotated[100:110] *= 2 ** (1 / 12)
    rows = [f"{time:.9f},{hz:.9f}" for time, hz in zip(frames, annotated, strict=True)]
    (folder / "vocals_f0.csv").write_text("\n".join(rows) + "\n")
    return folder.parent


def by_mir_eval(reference: Path, estimate: Path) -> dict[str, float]:
    """As anyone would who has the two files and no unmix."""
    times, f0_hz, _ = mir_eval.io.load_delimited(
        str(estimate), [float] * 3, delimiter=",", comment="time"
    )
    truth = mir_eval.io.load_time_series(str(reference), delimiter=",")
    return mir_eval.melody.evaluate(*truth, np.array(times), np.array(f0_hz))


def scores(run: Path) -> dict[str, float]:
    targets = read_run(run).own["song"].targets
    return next(target.scores.values for target in targets if target.name == "vocals")


def check(unmix: Unmix, references: Path, estimates: Path, csv: Path) -> None:
    run = estimates.parent / "run"
    words = ["--estimates", estimates, "--references", references, "--metrics", "melody"]
    assert unmix("eval", *words, "--no-audio", "--out", run).code == 0
    wanted = by_mir_eval(references / "song" / "vocals_f0.csv", csv)
    # What the command computes, which its files hold to five decimals.
    track = stem_folder_track(references / "song")
    nothing = np.zeros((2, 0), np.float32)
    truth = read_f0(track)
    melody = FolderEstimator(estimates).melody(track, nothing, sample_rate=RATE)
    assert truth is not None
    assert melody is not None
    whole = melody_scores(truth, melody)
    assert whole["OA"] == pytest.approx(wanted["Overall Accuracy"], abs=1e-9)
    assert whole["RPA"] == pytest.approx(wanted["Raw Pitch Accuracy"], abs=1e-9)
    found = scores(run)
    assert {name: found[name] for name in whole} == {k: round(v, 5) for k, v in whole.items()}
    assert 0.5 < found["RPA"] < 0.95


def test_csv_of_unmix_pitch_scores_as_in_mir_eval(
    unmix: Unmix, references: Path, tmp_path: Path
) -> None:
    estimates = shutil.copytree(references, tmp_path / "estimates")
    csv = estimates / "song" / "vocals_f0.csv"
    words = ["-m", "swiftf0", "-o", tmp_path / "pitch"]
    assert unmix("pitch", references / "song" / "vocals.wav", *words).code == 0
    shutil.copy(tmp_path / "pitch" / "vocals.f0.csv", csv)
    check(unmix, references, estimates, csv)


@pytest.fixture
def mix(references: Path, tmp_path: Path) -> Path:
    stems = [soundfile.read(path)[0] for path in sorted((references / "song").glob("*.wav"))]
    soundfile.write(tmp_path / "song.wav", sum(stems), RATE, subtype="FLOAT")
    return tmp_path / "song.wav"


def test_folder_of_unmix_pitch_is_scored(
    unmix: Unmix, references: Path, mix: Path, tmp_path: Path
) -> None:
    estimates = tmp_path / "pitch"
    assert unmix("pitch", mix, "-m", "swiftf0", "-o", estimates).code == 0
    check(unmix, references, estimates, estimates / "song.f0.csv")
    assert set(scores(tmp_path / "run")) == {"OA", "RPA", "RCA", "VR", "VFA"}
    words = ["--estimates", estimates, "--references", references, "--out", tmp_path / "run"]
    again = unmix("eval", *words, "--metrics", "melody")
    assert again.code == 0
    assert "song: up to date" in again.out
    refused = unmix("eval", *words, "--metrics", "melody,bsseval")
    assert refused.code == 1
    assert "song: its estimate is pitch without stems; type --metrics melody" in refused.err


@pytest.mark.parametrize("kind", ["csv", "model", "model of vocals alone"])
def test_what_is_found_where_nobody_sings_counts(
    unmix: Unmix, references: Path, tmp_path: Path, kind: str
) -> None:
    song = references / "song"
    if kind == "model of vocals alone":
        # Nothing else is there to be scored, and no reference sounds.
        (song / "accompaniment.wav").rename(song / "mixture.wav")
    silence = np.zeros_like(soundfile.read(song / "vocals.wav")[0])
    soundfile.write(song / "vocals.wav", silence, RATE, subtype="FLOAT")
    (song / "vocals_f0.csv").write_text("".join(f"{k / 100},0\n" for k in range(200)))
    run, words = tmp_path / "run", ["--metrics", "melody", "--no-audio"]
    if kind == "csv":
        (tmp_path / "pitch").mkdir()
        lines = [f"{k / 100},{220 if k < 50 else 0},1" for k in range(201)]
        text = "\n".join(["time,frequency,confidence", *lines]) + "\n"
        (tmp_path / "pitch" / "song.f0.csv").write_text(text)
        words += ["--estimates", tmp_path / "pitch", "--references", references]
    else:
        model = write_pitch_model(tmp_path / "sung", threshold=0.02)
        words += ["--model", model, "--data", references]
    done = unmix("eval", *words, "--out", run)
    assert done.code == 0, done.err
    found = {name: score for name, score in scores(run).items() if name != "leak"}
    assert set(found) == {"OA", "VFA"}
    assert found["OA"] == pytest.approx(1 - found["VFA"])
    if kind == "csv":
        assert found["VFA"] == 0.25


def test_joint_model_is_scored_by_its_own_pitch(
    unmix: Unmix, references: Path, mix: Path, tmp_path: Path
) -> None:
    model = write_pitch_model(tmp_path / "sung", threshold=0.02)
    shutil.copy(mix, references / "song" / "mixture.wav")
    assert unmix("pitch", mix, "-m", model, "-o", tmp_path / "pitch").code == 0
    wanted = by_mir_eval(references / "song" / "vocals_f0.csv", tmp_path / "pitch" / "song.f0.csv")
    run = tmp_path / "run"
    words = ["--model", model, "--data", references, "--metrics", "melody", "--no-audio"]
    assert unmix("eval", *words, "--out", run).code == 0
    found = scores(run)
    assert found["OA"] == pytest.approx(wanted["Overall Accuracy"], abs=1e-5)
    assert found["RPA"] == pytest.approx(wanted["Raw Pitch Accuracy"], abs=1e-5)
    # Weights at random: what they find is no melody, but it is not nothing.
    assert 0 < found["OA"] < 0.5


def test_csv_beside_separated_stems_is_scored(
    unmix: Unmix, references: Path, mix: Path, small_model: Path, tmp_path: Path
) -> None:
    estimates = tmp_path / "estimates"
    words = ["-m", small_model, "--pitch", "-o", estimates]
    assert unmix("separate", mix, *words).code == 0
    check(unmix, references, estimates, estimates / "song" / "vocals.f0.csv")
