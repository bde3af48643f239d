"""`unmix pitch` with models that give salience, on disk as users have them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import mido
import mir_eval
import numpy as np
import pytest
import soundfile

import unmixcli
from conftest import Outcome
from pitch.ridges_for_tests import cents
from pitch_models_for_tests import write_pitch_model
from salience_models_for_tests import shared_weights, write_harmonic_sum
from unmixcli.batch.threads import ReadAhead
from unmixcli.cli import pitch_batch
from unmixcli.models.catalogue import find_model
from unmixcli.models.weights import cached_path
from unmixcli.pitch.csv import read_f0
from unmixcli.pitch.session import PitchOptions

Unmix = Callable[..., Outcome]
RATE = 22050
LOWER, UPPER = 220.0, 220.0 * 2 ** (4 / 12)


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pitch_model(tmp_path_factory.mktemp("joint") / "sung", threshold=0.02)


@pytest.fixture(scope="module")
def salience(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_harmonic_sum(tmp_path_factory.mktemp("salience") / "sum")


@pytest.fixture(scope="module")
def duo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices a major third apart."""
    path, times = tmp_path_factory.mktemp("songs") / "duo.wav", np.arange(2 * RATE) / RATE
    voices = [np.sin(2 * np.pi * k * hz * times) / k for hz in (LOWER, UPPER) for k in range(1, 9)]
    soundfile.write(path, (0.08 * sum(voices)).astype(np.float32), RATE, subtype="FLOAT")
    return path


def both_are_found(path: Path) -> np.ndarray:
    """For each frame whether it has both voices within 50 cents."""
    _, frames = mir_eval.io.load_ragged_time_series(str(path))
    true = np.array([LOWER, UPPER])
    near = [np.abs(cents(hz[:, None], true)).min(axis=0, initial=np.inf) for hz in frames]
    return (np.array(near) < 50).all(axis=1)


def recut(blocks: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    whole = np.concatenate(list(blocks), axis=1)
    for start in range(0, whole.shape[1], length):
        yield whole[:, start : start + length]


def test_two_voices_in_harmony_are_two_lines(
    unmix: Unmix, salience: Path, duo: Path, tmp_path: Path
) -> None:
    words = ["--polyphonic", "--midi", "-o", tmp_path]
    assert unmix("pitch", duo, "-m", salience, *words).code == 0
    assert both_are_found(tmp_path / "duo.multif0.txt").mean() > 0.75
    times, frames = mir_eval.io.load_ragged_time_series(str(tmp_path / "duo.multif0.txt"))
    np.testing.assert_allclose(times, np.arange(201) * 0.01)
    inner = frames[40:-40]
    assert {len(hz) for hz in inner} == {2}
    assert np.abs(cents(np.array(inner), np.array([[LOWER, UPPER]]))).max() < 5
    tracks = mido.MidiFile(tmp_path / "duo.mid").tracks[1:]
    assert [[m.note for m in track if m.type == "note_on"] for track in tracks] == [[57], [61]]
    # The one line of the CSV is one of them.
    strongest = read_f0(tmp_path / "duo.f0.csv").f0_hz[40:-40]
    away = np.abs(cents(strongest[:, None], np.array([[LOWER, UPPER]])))
    assert away.min(axis=1).max() < 5


def test_python_has_the_voices_of_the_file(
    unmix: Unmix, salience: Path, duo: Path, tmp_path: Path
) -> None:
    words = ["--polyphonic", "--step-ms", 25, "-o", tmp_path]
    assert unmix("pitch", duo, "-m", salience, *words).code == 0
    times, frames = mir_eval.io.load_ragged_time_series(str(tmp_path / "duo.multif0.txt"))
    audio, rate = soundfile.read(duo, dtype="float32")
    voices = unmixcli.find_voices(audio, rate, model=salience, options=PitchOptions(step_ms=25))
    assert voices.f0_hz.shape == voices.confidence.shape == (6, 81)
    np.testing.assert_allclose(voices.times_s, times, atol=1e-6)
    assert sum(map(len, frames)) > 100
    for ours, theirs in zip(voices.ragged(), frames, strict=True):
        np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-3)


@pytest.mark.real_weights
def test_two_voices_by_the_published_weights(
    unmix: Unmix, duo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, name = shared_weights(), "deep-salience-multif0"
    if folder is None:
        pytest.skip("no weights: set UNMIX_SHARED to the folder that holds weights/deepsalience")
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    card = find_model(name).card
    path = cached_path(card, card.files[0])
    path.parent.mkdir(parents=True)
    shutil.copy(folder / path.name, path)
    assert unmix("pitch", duo, "-m", name, "--polyphonic", "-o", tmp_path).code == 0
    assert both_are_found(tmp_path / "duo.multif0.txt").mean() >= 0.8


@pytest.mark.parametrize("length", [777, 30000])
@pytest.mark.parametrize("kind", ["joint", "salience", "separated"])
def test_files_do_not_depend_on_blocks(
    unmix: Unmix, request: pytest.FixtureRequest, duo: Path, small_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, kind: str, length: int,
) -> None:  # fmt: skip
    model = request.getfixturevalue("joint" if kind == "joint" else "salience")
    words = ["-m", model, "--polyphonic", "--salience", "--duration", "0.7"]
    if kind != "salience":
        words.append("--stems")
    if kind == "separated":
        words += ["--separator", small_model]
    assert unmix("pitch", duo, *words, "-o", tmp_path / "whole").code == 0
    monkeypatch.setattr(pitch_batch, "ReadAhead", lambda blocks: ReadAhead(recut(blocks, length)))
    assert unmix("pitch", duo, *words, "-o", tmp_path / "parts").code == 0
    names = {"duo.f0.csv", "duo.multif0.txt", "duo.salience.npz", "duo.pitch.unmix.json"}
    names |= {"duo.vocals.wav"} if kind != "salience" else set()
    assert {path.name for path in (tmp_path / "parts").iterdir()} == names
    for name in names - {"duo.salience.npz"}:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with (
        np.load(tmp_path / "parts" / "duo.salience.npz") as parts,
        np.load(tmp_path / "whole" / "duo.salience.npz") as whole,
    ):
        assert all(np.array_equal(parts[name], whole[name]) for name in whole)
        assert whole["salience"].max() > 0.02
    assert read_f0(tmp_path / "whole" / "duo.f0.csv").voiced.any()


def test_other_files_do_not_change_the_csv(
    unmix: Unmix, joint: Path, duo: Path, tmp_path: Path
) -> None:
    words = ["pitch", duo, "-m", joint, "--duration", "0.7"]
    for number, more in enumerate(([], ["--salience"], ["--polyphonic"])):
        assert unmix(*words, *more, "-o", tmp_path / str(number)).code == 0
        csv = tmp_path / str(number) / "duo.f0.csv"
        assert csv.read_bytes() == (tmp_path / "0" / "duo.f0.csv").read_bytes()
    assert unmix(*words, "--stems", "-o", tmp_path / "stems").code == 0
    # With stems the network sees other batches, which rounds otherwise.
    one, two = (read_f0(tmp_path / name / "duo.f0.csv") for name in ("0", "stems"))
    np.testing.assert_allclose(one.confidence, two.confidence, atol=2e-4)
    same = one.voiced & two.voiced
    assert same.mean() > 0.9 * one.voiced.mean() > 0
    assert np.median(np.abs(cents(one.f0_hz[same], two.f0_hz[same]))) < 1


def test_a_curve_without_pitch_is_called_unvoiced(unmix: Unmix, duo: Path, tmp_path: Path) -> None:
    deaf = write_pitch_model(tmp_path / "deaf", threshold=0.99)
    done = unmix("pitch", duo, "-m", deaf, "--stems", "-o", tmp_path / "out")
    assert done.code == 0
    assert f"  {tmp_path / 'out' / 'duo.vocals.wav'}" in done.out.splitlines()
    assert f"  {tmp_path / 'out' / 'duo.f0.csv'}  (unvoiced)" in done.out.splitlines()
    assert done.out.splitlines()[-1].endswith(f"every frame is unvoiced: {duo}")
