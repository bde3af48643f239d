from pathlib import Path

import pytest

from unmixcli.data.tracks.ccmixter import CCMIXTER
from unmixcli.data.tracks.load import load_stems
from unmixcli.errors import InputError


def test_the_second_source_is_the_voice(tmp_path: Path, trees) -> None:
    tracks = CCMIXTER.read(trees["ccmixter"](tmp_path)).tracks
    assert [track.name for track in tracks] == ["a_-_One", "b_-_Two"]
    stems, _ = load_stems(tracks[0])
    levels = {name: float(array[0, 0]) for name, array in stems.items()}
    assert levels == {"vocals": 0.5, "accompaniment": 0.25, "mix": 0.75}


def test_an_incomplete_song_is_named(tmp_path: Path, trees) -> None:
    folder = trees["ccmixter"](tmp_path)
    (folder / "b_-_Two" / "source-02.wav").unlink()
    with pytest.raises(InputError, match=r"b_-_Two/source-02\.wav"):
        CCMIXTER.read(folder)
