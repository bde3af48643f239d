from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import unmixcli
from evaluation.runs_for_tests import RATE, noise, write_stems
from pitch_models_for_tests import write_pitch_model
from unmixcli.data.tracks import Manifest, Track, read_dataset
from unmixcli.errors import InputError
from unmixcli.evaluation.estimates import FolderEstimator, Melody, ModelEstimator
from unmixcli.evaluation.hashes import FileHashes
from unmixcli.separation.session import open_session, select_model
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request


def first_song(manifest: Manifest) -> Track:
    return next(track for track in manifest.tracks if track.name == "first song")


def estimate(estimator: FolderEstimator, manifest: Manifest) -> dict[str, object]:
    track = first_song(manifest)
    mix = np.zeros((1, 3 * RATE), np.float32)
    return dict(estimator.estimate(track, mix, sample_rate=RATE, share=lambda _: None))


def melody_of(folder: Path, manifest: Manifest) -> Melody | None:
    mix = np.zeros((1, 3 * RATE), np.float32)
    return FolderEstimator(folder).melody(first_song(manifest), mix, sample_rate=RATE)


def test_files_are_read_as_they_are(manifest: Manifest, estimates: Callable[[], Path]) -> None:
    estimator = FolderEstimator(estimates())
    assert set(estimator.stems(first_song(manifest))) == {"vocals", "accompaniment"}
    read = estimate(estimator, manifest)
    np.testing.assert_array_equal(read["vocals"], 1.1 * noise(0))


@pytest.mark.parametrize(
    ("samples", "rate", "told"),
    [
        (noise(0), 2 * RATE, "has 16000 Hz, the reference of first song 8000 Hz"),
        (noise(0)[:, :-1], RATE, "has 23999 samples, the reference of first song 24000 samples"),
        (noise(0, channels=2), RATE, "has 2 channels, the reference of first song 1 channels"),
    ],
)
def test_another_rate_length_or_channels_are_refused(
    manifest: Manifest, estimates: Callable[[], Path], samples: np.ndarray, rate: int, told: str
) -> None:
    folder = estimates()
    write_stems(folder / "first song", {"vocals": samples}, rate=rate)
    with pytest.raises(InputError, match=told):
        estimate(FolderEstimator(folder), manifest)


def test_a_stem_that_other_tracks_have_is_missed(
    manifest: Manifest, estimates: Callable[[], Path]
) -> None:
    folder = estimates()
    (folder / "first song" / "vocals.wav").unlink()
    with pytest.raises(InputError, match=r"first song: lacks vocals; it has accompaniment"):
        FolderEstimator(folder).stems(first_song(manifest))


def test_a_tool_of_one_stem_lacks_nothing(
    manifest: Manifest, estimates: Callable[[], Path]
) -> None:
    folder = estimates()
    for path in folder.rglob("accompaniment.wav"):
        path.unlink()
    assert FolderEstimator(folder).stems(first_song(manifest)) == ("vocals",)


def test_an_other_that_may_hold_a_missing_stem_is_refused(tmp_path: Path) -> None:
    names = ("vocals", "drums", "bass", "other")
    write_stems(tmp_path / "data" / "a", {name: noise(3) for name in names})
    write_stems(tmp_path / "made" / "a", {name: noise(3) for name in names if name != "bass"})
    track = read_dataset(tmp_path / "data").tracks[0]
    with pytest.raises(InputError, match="lacks bass"):
        FolderEstimator(tmp_path / "made").stems(track)


def test_a_track_without_estimates_is_told(
    manifest: Manifest, estimates: Callable[[], Path]
) -> None:
    folder = estimates()
    for path in (folder / "third's").iterdir():
        path.unlink()
    (folder / "third's").rmdir()
    track = next(track for track in manifest.tracks if track.name == "third's")
    with pytest.raises(InputError, match="no such folder, so third's has no estimates"):
        FolderEstimator(folder).stems(track)


def test_a_changed_file_changes_the_fingerprint(
    manifest: Manifest, estimates: Callable[[], Path]
) -> None:
    folder = estimates()
    track = first_song(manifest)
    before = FolderEstimator(folder).fingerprint(track, FileHashes())
    assert FolderEstimator(folder).fingerprint(track, FileHashes()) == before
    write_stems(folder / track.name, {"vocals": noise(5)})
    assert FolderEstimator(folder).fingerprint(track, FileHashes()) != before


def test_a_tools_own_pitch_is_found(manifest: Manifest, estimates: Callable[[], Path]) -> None:
    folder = estimates()
    assert melody_of(folder, manifest) is None
    files = {
        "vocals.f0.csv": "time,frequency,confidence\n0.0,110,0.9\n0.01,0,0.1\n",
        # By whoever put it there, before that of `unmix separate --pitch`.
        "vocals_f0.csv": "0.0, 220\n0.01, 0\n",
    }
    for (name, text), hz in zip(files.items(), (110.0, 220.0), strict=True):
        (folder / "first song" / name).write_text(text)
        melody = melody_of(folder, manifest)
        assert melody is not None
        np.testing.assert_array_equal(melody[1], [hz, 0.0])


def test_pitch_without_stems_is_found(
    manifest: Manifest, estimates: Callable[[], Path], tmp_path: Path
) -> None:
    folder, track = tmp_path / "pitch", first_song(manifest)
    folder.mkdir()
    with pytest.raises(InputError, match="no such folder, so first song has no estimates"):
        FolderEstimator(folder).stems(track)
    csv = folder / "first song.f0.csv"
    csv.write_text("time,frequency,confidence\n0.0,110,0.9\n0.01,0,0.1\n")
    estimator = FolderEstimator(folder)
    assert estimator.stems(track) == ()
    melody = melody_of(folder, manifest)
    assert melody is not None
    np.testing.assert_array_equal(melody, [[0.0, 0.01], [110.0, 0.0]])
    before = estimator.fingerprint(track, FileHashes())
    csv.write_text(csv.read_text() + "0.02,0,0.1\n")
    assert estimator.fingerprint(track, FileHashes()) != before
    # Beside stems of the same track it says nothing, beside those of others it is not enough.
    beside = estimates()
    shutil.copy(csv, beside)
    assert set(FolderEstimator(beside).stems(track)) == {"vocals", "accompaniment"}
    assert melody_of(beside, manifest) is None
    shutil.rmtree(beside / "first song")
    with pytest.raises(InputError, match=r"lacks accompaniment, vocals; it has pitch alone"):
        FolderEstimator(beside).stems(track)


def test_a_joint_model_gives_its_own_pitch(
    manifest: Manifest, small_model: Path, tmp_path: Path
) -> None:
    mix = noise(4, channels=2, seconds=3)
    for model in (write_pitch_model(tmp_path / "sung", threshold=0.02), small_model):
        choice, plan = select_model(str(model), Request())
        session = open_session(choice, plan, device="cpu", options=SpectralOptions())
        melody = ModelEstimator(session).melody(first_song(manifest), mix, sample_rate=RATE)
        if model == small_model:
            assert melody is None
            continue
        f0 = unmixcli.find_pitch(mix, RATE, model=model)
        assert f0.voiced.any()
        assert melody is not None
        np.testing.assert_array_equal(melody, [f0.times_s, f0.f0_hz])


def test_a_model_gives_what_its_stream_gives(manifest: Manifest, small_model: Path) -> None:
    choice, plan = select_model(str(small_model), Request())
    session = open_session(choice, plan, device="cpu", options=SpectralOptions())
    mix, shares = noise(4, channels=2, seconds=6), []
    found = ModelEstimator(session).estimate(
        first_song(manifest), mix, sample_rate=RATE, share=shares.append
    )
    engine = session.engine(sample_rate=RATE, channels=2)
    whole = torch.cat(list(engine.stream([torch.from_numpy(mix)])), dim=-1)
    assert tuple(found) == ("vocals", "accompaniment")
    for row, stem in enumerate(found.values()):
        np.testing.assert_array_equal(stem, whole[row].numpy())
    assert shares == [5 / 6, 1.0]


def test_a_model_refuses_more_than_two_channels(manifest: Manifest, small_model: Path) -> None:
    choice, plan = select_model(str(small_model), Request())
    session = open_session(choice, plan, device="cpu", options=SpectralOptions())
    mix = noise(4, channels=6)
    with pytest.raises(InputError, match="6 channels; a model takes 1 or 2"):
        ModelEstimator(session).estimate(
            first_song(manifest), mix, sample_rate=RATE, share=lambda _: None
        )
