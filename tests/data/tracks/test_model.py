import json
from pathlib import Path

import pytest

from unmixcli.data.tracks.model import Manifest, Part, Track
from unmixcli.errors import InputError, UsageError


def manifest(folder: Path) -> Manifest:
    song = Track(
        name="Ä song",
        split="train",
        stems={
            "vocals": (Part(folder / "a.wav", gain=0.5, channel="right", offset_s=1.5),),
            "drums": (),
            "other": (
                Part(folder / "sub" / "b.mp4", stream=3, start_s=0.25, duration_s=2.0),
                Part(folder / "c.wav"),
            ),
        },
        mixture=Part(folder / "mix.wav"),
        annotations={"f0_csv": folder / "f0.csv"},
        sample_rate=44100,
        notes=("loud",),
    )
    return Manifest("A set", (song, Track("b", {"vocals": (Part(folder / "d.wav"),)}, "test")))


def test_json_gives_back_every_field(tmp_path: Path) -> None:
    before = manifest(tmp_path)
    before.to_json(tmp_path / "tracks.json")
    assert Manifest.from_json(tmp_path / "tracks.json") == before


def test_json_leaves_no_temporary_file(tmp_path: Path) -> None:
    manifest(tmp_path).to_json(tmp_path / "tracks.json")
    assert [path.name for path in tmp_path.iterdir()] == ["tracks.json"]


def test_json_moves_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    manifest(tmp_path / "one").to_json(tmp_path / "one" / "tracks.json")
    (tmp_path / "one").rename(tmp_path / "two")
    moved = Manifest.from_json(tmp_path / "two" / "tracks.json")
    assert moved == manifest(tmp_path / "two")


def test_json_keeps_files_elsewhere_absolute(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    manifest(tmp_path / "data").to_json(tmp_path / "one" / "tracks.json")
    assert Manifest.from_json(tmp_path / "one" / "tracks.json") == manifest(tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not a manifest"),
        ({"version": 2}, "version 2"),
        ({"tracks": [{"name": "x"}]}, "damaged"),
        ({"tracks": 3}, "damaged"),
    ],
)
def test_json_that_is_something_else(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "tracks.json"
    manifest(tmp_path).to_json(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        Manifest.from_json(path)


def test_json_with_a_channel_that_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "tracks.json"
    manifest(tmp_path).to_json(path)
    path.write_text(path.read_text().replace('"right"', '"middle"'))
    with pytest.raises(InputError, match="middle"):
        Manifest.from_json(path)


def test_json_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "tracks.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        Manifest.from_json(tmp_path / "tracks.json")


def test_select(tmp_path: Path) -> None:
    whole = manifest(tmp_path)
    assert [track.name for track in whole.select("test").tracks] == ["b"]
    assert whole.select(None) == whole
    with pytest.raises(UsageError, match=r"no split 'valid'.*train or test"):
        whole.select("valid")


def test_select_where_there_is_no_split(tmp_path: Path) -> None:
    whole = Manifest("A set", (Track("b", {"vocals": (Part(tmp_path / "d.wav"),)}),))
    with pytest.raises(UsageError, match="leave the split out"):
        whole.select("test")


def test_a_track_needs_a_file_and_no_stem_called_mix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audio file"):
        Track("a", {"vocals": ()})
    with pytest.raises(InputError, match="called 'mix'"):
        Track("a", {"mix": (Part(tmp_path / "a.wav"),)})
