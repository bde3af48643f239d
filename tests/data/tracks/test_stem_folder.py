from pathlib import Path

import pytest

from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.stem_folder import STEM_FOLDER
from unmixcli.errors import InputError


def test_a_folder_of_tracks(tmp_path: Path, trees) -> None:
    (track,) = STEM_FOLDER.read(trees["stems"](tmp_path)).tracks
    assert track.name == "Song"
    assert set(track.stems) == {"vocals", "bass_drums", "lead_guitar"}
    assert float(load_stems(track)[0]["mix"][0, 0]) == 0.875


def test_a_track_itself(tmp_path: Path, trees) -> None:
    manifest = STEM_FOLDER.read(trees["stems"](tmp_path) / "Song")
    assert [track.name for track in manifest.tracks] == ["Song"]


def test_splits_by_folder(tmp_path: Path, constant) -> None:
    for folder in ("train/a", "valid/b", "test/c"):
        constant(tmp_path / folder / "vocals.wav")
    tracks = STEM_FOLDER.read(tmp_path).tracks
    splits = {track.name: track.split for track in tracks}
    assert splits == {"a": "train", "b": "validation", "c": "test"}


def test_a_mix_is_the_mixture(tmp_path: Path, constant) -> None:
    constant(tmp_path / "vocals.wav", 0.5)
    constant(tmp_path / "Mixture.flac", 0.25)
    (track,) = STEM_FOLDER.read(tmp_path).tracks
    assert set(track.stems) == {"vocals"}
    assert float(load_stems(track)[0]["mix"][0, 0]) == 0.25


def test_an_accompaniment_beside_its_parts_is_not_counted_twice(tmp_path: Path, constant) -> None:
    for name in ("vocals", "drums", "other", "accompaniment"):
        constant(tmp_path / f"{name}.wav", 0.25)
    (track,) = STEM_FOLDER.read(tmp_path).tracks
    assert set(track.stems) == {"vocals", "drums", "other"}
    (tmp_path / "drums.wav").unlink()
    (tmp_path / "other.wav").unlink()
    (track,) = STEM_FOLDER.read(tmp_path).tracks
    assert set(track.stems) == {"vocals", "accompaniment"}


def test_hidden_files_and_other_files_are_left_out(tmp_path: Path, constant, text) -> None:
    constant(tmp_path / "vocals.wav")
    text(tmp_path / "._drums.wav", "x")
    text(tmp_path / "bass.txt", "x")
    assert set(STEM_FOLDER.read(tmp_path).tracks[0].stems) == {"vocals"}


def test_two_files_for_one_stem(tmp_path: Path, constant) -> None:
    constant(tmp_path / "vocals.wav")
    constant(tmp_path / "Vocals.flac")
    with pytest.raises(InputError, match="two files for vocals"):
        STEM_FOLDER.read(tmp_path)
