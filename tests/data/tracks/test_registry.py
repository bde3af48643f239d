from pathlib import Path

import pytest

from unmixcli.data.tracks import load, read_dataset
from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.registry import READERS
from unmixcli.errors import InputError, UsageError

KINDS = tuple(reader.kind for reader in READERS)


def test_every_reader_has_a_tree(trees) -> None:
    assert set(trees) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layout_is_recognised_as_what_it_is(tmp_path: Path, trees, kind: str) -> None:
    folder = trees[kind](tmp_path / "data")
    detected = read_dataset(folder)
    assert detected == read_dataset(folder, kind=kind)
    assert detected.tracks


@pytest.mark.parametrize("kind", KINDS)
def test_track_names_are_unique_and_every_track_loads(tmp_path: Path, trees, kind: str) -> None:
    tracks = read_dataset(trees[kind](tmp_path / "data")).tracks
    assert len({track.name for track in tracks}) == len(tracks)
    for track in tracks:
        stems, rate = load_stems(track)
        assert rate > 0
        assert len({array.shape for array in stems.values()}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_in_json_reads_as_the_folder_does(tmp_path: Path, trees, kind: str) -> None:
    manifest = read_dataset(trees[kind](tmp_path / "data"))
    manifest.to_json(tmp_path / "data" / "tracks.json")
    assert read_dataset(tmp_path / "data" / "tracks.json") == manifest


@pytest.mark.parametrize("kind", KINDS)
def test_reading_decodes_nothing(tmp_path: Path, trees, kind: str, monkeypatch) -> None:
    def decode(*args: object, **options: object) -> None:
        raise AssertionError("decoded")

    folder = trees[kind](tmp_path / "data")
    monkeypatch.setattr("unmixcli.audio.read.read_audio", decode)
    monkeypatch.setattr(load, "read_audio", decode)
    read_dataset(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path, kind: str) -> None:
    layout = next(reader.layout for reader in READERS if reader.kind == kind)
    with pytest.raises(InputError) as caught:
        read_dataset(tmp_path, kind=kind)
    assert layout in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_of_something_else_names_every_layout(tmp_path: Path, constant) -> None:
    constant(tmp_path / "song.wav")
    with pytest.raises(InputError, match="looked for") as caught:
        read_dataset(tmp_path)
    assert all(reader.kind in str(caught.value) for reader in READERS)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(tmp_path / "gone")


def test_a_kind_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'musdb'.*musdb18-hq"):
        read_dataset(tmp_path, kind="musdb")


@pytest.mark.parametrize("kind", ["medleydb", "slakh2100", "mixing-secrets"])
def test_four_stems_hold_what_seven_do(tmp_path: Path, trees, kind: str) -> None:
    folder = trees[kind](tmp_path / "data")
    seven, four = read_dataset(folder), read_dataset(folder, kind=f"{kind}-4")
    for large, small in zip(seven.tracks, four.tracks, strict=True):
        assert set(small.stems) == {"vocals", "drums", "bass", "other"}
        assert set(small.parts) == set(large.parts)
        assert len(small.parts) == len(large.parts)
