from pathlib import Path

import numpy as np
import pytest

from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.pitch_labels import read_f0
from unmixcli.data.tracks.voice_channels import IKALA, MIR1K
from unmixcli.errors import InputError


@pytest.mark.parametrize("reader", [IKALA, MIR1K])
def test_music_is_left_and_voice_is_right(tmp_path: Path, trees, reader) -> None:
    for track in reader.read(trees[reader.kind](tmp_path)).tracks:
        stems, _ = load_stems(track)
        levels = {name: float(array[0, 0]) for name, array in stems.items()}
        assert levels == {"vocals": 0.5, "accompaniment": 0.25, "mix": 0.75}
        assert stems["mix"].shape == (1, 400)


def test_ikala_has_no_split_and_annotations(tmp_path: Path, trees) -> None:
    manifest = IKALA.read(trees["ikala"](tmp_path))
    assert manifest.splits == ()
    assert [track.name for track in manifest.tracks] == ["10161_chorus", "10161_verse"]
    assert set(manifest.tracks[0].annotations) == {"f0_ikala", "lyrics"}


def test_mir1k_trains_on_two_singers(tmp_path: Path, trees) -> None:
    tracks = MIR1K.read(trees["mir-1k"](tmp_path)).tracks
    assert {track.name: track.split for track in tracks} == {
        "abjones_1_01": "train",
        "amy_2_03": "train",
        "Ani_1_01": "test",
    }


def test_pitch_labels_have_the_hop_of_their_data_set(tmp_path: Path, trees) -> None:
    times_s, f0_hz = read_f0(IKALA.read(trees["ikala"](tmp_path / "i")).tracks[0]) or ((), ())
    np.testing.assert_allclose(times_s, [0.016, 0.048, 0.08])
    np.testing.assert_allclose(f0_hz, [0.0, 440.0, 880.0])
    times_s, f0_hz = read_f0(MIR1K.read(trees["mir-1k"](tmp_path / "m")).tracks[0]) or ((), ())
    np.testing.assert_allclose(times_s, [0.02, 0.04])
    np.testing.assert_allclose(f0_hz, [440.0, 0.0])


def test_one_is_not_taken_for_the_other(tmp_path: Path, trees) -> None:
    folder = trees["mir-1k"](tmp_path)
    with pytest.raises(InputError, match=r"not iKala: looked for Wavfile"):
        IKALA.read(folder)
