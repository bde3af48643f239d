import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.musdb import MUSDB18, MUSDB18_HQ, VALIDATION_TRACKS
from unmixcli.errors import InputError


def test_the_validation_tracks_are_those_that_musdb_publishes() -> None:
    spec = importlib.util.find_spec("musdb")
    assert spec is not None
    assert spec.origin is not None
    published = yaml.safe_load((Path(spec.origin).parent / "configs" / "mus.yaml").read_text())
    assert set(published["validation_tracks"]) == VALIDATION_TRACKS
    assert len(VALIDATION_TRACKS) == 14


@pytest.mark.parametrize(
    ("reader", "held_out"),
    [(MUSDB18, "Skelpolu - Human Mistakes"), (MUSDB18_HQ, "Leaf - Summerghost")],
)
def test_splits(tmp_path: Path, trees, reader, held_out: str) -> None:
    tracks = reader.read(trees[reader.kind](tmp_path)).tracks
    assert {track.name: track.split for track in tracks} == {
        "A - B": "train",
        held_out: "validation",
        "C - D": "test",
    }


def test_a_validation_name_in_the_test_folder_stays_there(tmp_path: Path, trees) -> None:
    folder = trees["musdb18-hq"](tmp_path)
    (folder / "train" / "Leaf - Summerghost").rename(folder / "test" / "Leaf - Summerghost")
    assert MUSDB18_HQ.read(folder).splits == ("train", "test")


def test_streams_of_a_stem_file(tmp_path: Path, trees) -> None:
    stems, rate = load_stems(MUSDB18.read(trees["musdb18"](tmp_path)).tracks[0])
    assert rate == 44100
    loudest = {
        name: np.argmax(np.abs(np.fft.rfft(array[0]))) * rate / array.shape[1]
        for name, array in stems.items()
    }
    expected = {"mix": 300, "drums": 600, "bass": 1200, "other": 2400, "vocals": 4800}
    assert loudest == pytest.approx(expected, abs=5)


def test_hq_levels(tmp_path: Path, trees) -> None:
    stems, _ = load_stems(MUSDB18_HQ.read(trees["musdb18-hq"](tmp_path)).tracks[0])
    levels = {name: float(array[0, 0]) for name, array in stems.items()}
    assert levels == {"vocals": 0.5, "drums": 0.25, "bass": 0.125, "other": 0.0625, "mix": 0.9375}


def test_an_incomplete_track_is_named_with_its_file(tmp_path: Path, trees) -> None:
    folder = trees["musdb18-hq"](tmp_path)
    (folder / "train" / "A - B" / "bass.wav").unlink()
    with pytest.raises(InputError, match=r"incomplete: train/A - B/bass\.wav not found"):
        MUSDB18_HQ.read(folder)
