from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.runs_for_tests import noise, write_stems
from unmixcli.data.tracks import read_dataset
from unmixcli.errors import InputError
from unmixcli.evaluation.hashes import FileHashes, track_hash


def test_it_is_the_audio_that_counts_and_not_its_place(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "elsewhere")
    one = [track_hash(track, FileHashes()) for track in read_dataset(data).tracks]
    other = [
        track_hash(track, FileHashes()) for track in read_dataset(tmp_path / "elsewhere").tracks
    ]
    assert one == other
    assert len(set(one)) == 3


def test_samples_gains_and_stems_change_it(data: Path) -> None:
    track = read_dataset(data).tracks[0]
    before = track_hash(track, FileHashes())
    part = replace(track.stems["vocals"][0], gain=0.5)
    louder = replace(track, stems={**track.stems, "vocals": (part,)})
    renamed = replace(track, stems={"bass": track.stems["vocals"]})
    write_stems(data / track.name, {"vocals": noise(99)})
    hashes = {track_hash(t, FileHashes()) for t in (louder, renamed, track)}
    assert len(hashes | {before}) == 4


def test_a_file_is_read_once(data: Path) -> None:
    hashes = FileHashes()
    path = next(data.rglob("*.wav"))
    first = hashes.of(path)
    path.unlink()
    assert hashes.of(path) == first


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav"):
        FileHashes().of(tmp_path / "gone.wav")
