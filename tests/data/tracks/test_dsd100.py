from pathlib import Path

import pytest

from unmixcli.data.tracks.dsd100 import DSD100
from unmixcli.data.tracks.load import load_stems
from unmixcli.errors import InputError


def test_dev_is_for_training(tmp_path: Path, trees) -> None:
    tracks = DSD100.read(trees["dsd100"](tmp_path)).tracks
    assert {t.name: t.split for t in tracks} == {"051 - A - B": "train", "001 - C - D": "test"}


def test_levels(tmp_path: Path, trees) -> None:
    stems, _ = load_stems(DSD100.read(trees["dsd100"](tmp_path)).tracks[0])
    levels = {name: float(array[0, 0]) for name, array in stems.items()}
    assert levels == {"vocals": 0.5, "drums": 0.25, "bass": 0.125, "other": 0.0625, "mix": 0.9375}


@pytest.mark.parametrize(
    "file", ["Sources/Dev/051 - A - B/bass.wav", "Mixtures/Test/001 - C - D/mixture.wav"]
)
def test_a_missing_file_is_named(tmp_path: Path, trees, file: str) -> None:
    folder = trees["dsd100"](tmp_path)
    (folder / file).unlink()
    with pytest.raises(InputError) as caught:
        DSD100.read(folder)
    assert file in str(caught.value)
