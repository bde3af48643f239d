import os
from pathlib import Path

import numpy as np
import pytest

from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.pitch_labels import read_f0
from unmixcli.data.tracks.references import references
from unmixcli.data.tracks.unmix_eval import UNMIX_EVAL
from unmixcli.errors import InputError

FOUR = ("vocals", "drums", "bass", "other")


def read(folder: Path) -> dict:
    return {track.name: track for track in UNMIX_EVAL.read(folder).tracks}


def levels(track, at: int) -> dict[str, float]:
    return {name: round(float(a[0, at]), 6) for name, a in load_stems(track)[0].items()}


@pytest.fixture
def tracks(tmp_path: Path, trees) -> dict:
    return read(trees["unmix-eval"](tmp_path))


def test_gains_and_groups_of_the_songs(tracks: dict) -> None:
    one = 0.125
    assert levels(tracks["francium"], 200) == {
        "vocals": one,
        "drums": one,
        "bass": one,
        "other": 2 * one,
        "mix": 5 * one,
    }
    assert levels(tracks["playlist"], 200) == {
        "vocals": 0.4 * one,
        "bass_drums": 0.4 * one,
        "other": 0.8 * one,
        "mix": 1.6 * one,
    }
    assert levels(tracks["mdn"], 200) == pytest.approx(
        {
            "vocals": 0.0,
            "drums": 0.55 * one,
            "bass": 0.55 * one,
            "other": 1.65 * one,
            "mix": 2.75 * one,
        },
        abs=1e-6,
    )
    assert levels(tracks["clingo"], 200)["mix"] == 4 * one


def test_notes_say_what_was_counted_where(tracks: dict) -> None:
    assert tracks["francium"].notes[0] == "artist seen in training"
    assert "counts as other" in tracks["francium"].notes[1]
    assert tracks["clingo"].notes == ()


def test_overlays_lay_voices_end_to_end_over_a_piece_of_the_backing(tracks: dict) -> None:
    overlay = tracks["two-over-mdn"]
    stems, rate = load_stems(overlay)
    assert rate == 44100
    # The backing ends before 0.01 s of it can be had, the voices are 441 samples each.
    assert stems["mix"].shape == (2, 882)
    np.testing.assert_array_equal(stems["vocals"], np.full((2, 882), 0.5, np.float32))
    assert not stems["drums"].any()
    solo = load_stems(tracks["solo-over-francium"])[0]
    assert levels(tracks["solo-over-francium"], 100) == {
        "vocals": 0.125,
        "drums": 0.125,
        "bass": 0.125,
        "other": 0.25,
        "mix": 0.625,
    }
    assert solo["mix"].shape == (2, 400)


def test_overlays_are_notes_and_pitch_of_their_parts(tracks: dict) -> None:
    assert tracks["two-over-mdn"].notes == ()
    assert len(tracks["solo-over-francium"].notes) == 1
    assert read_f0(tracks["two-over-mdn"]) is None
    times_s, f0_hz = read_f0(tracks["solo-over-francium"]) or ((), ())
    np.testing.assert_array_equal(f0_hz, [0.0, 220.0])
    assert len(times_s) == 2


def test_the_solo_voice_is_a_split_of_its_own(tracks: dict) -> None:
    assert {name for name, track in tracks.items() if track.split == "pitch"} == {"vocadito_1"}


def test_mdn_says_that_vocals_are_silent(tracks: dict) -> None:
    found = references(tracks["mdn"], FOUR)
    assert {target.name: target.silent for target in found} == {
        "vocals": True,
        "drums": False,
        "bass": False,
        "other": False,
    }


@pytest.mark.parametrize(
    "file", ["songs/mdn/clav.mp3", "singing/makam/b.wav", "singing/vocadito_1/vocadito_1.flac"]
)
def test_a_missing_file_is_named(tmp_path: Path, trees, file: str) -> None:
    folder = trees["unmix-eval"](tmp_path)
    (folder / file).unlink()
    with pytest.raises(InputError) as caught:
        UNMIX_EVAL.read(folder)
    assert file in str(caught.value)


@pytest.mark.parametrize("content", ["[[track]]\nname = 1\n", "[[track", "track = 3\n"])
def test_overlays_that_cannot_be_read(tmp_path: Path, trees, text, content: str) -> None:
    folder = trees["unmix-eval"](tmp_path)
    text(folder / "overlays.toml", content)
    with pytest.raises(InputError, match=r"overlays\.toml"):
        UNMIX_EVAL.read(folder)


def shared_eval() -> Path | None:
    named = os.environ.get("UNMIX_SHARED")
    root = Path(named) if named else Path(__file__).resolve().parents[3].parent / "shared"
    folder = root / "audio" / "eval"
    return folder if folder.is_dir() else None


def test_the_real_folder() -> None:
    folder = shared_eval()
    if folder is None:
        pytest.skip("no evaluation audio: set UNMIX_SHARED to the folder that holds audio/eval")
    tracks = read(folder)
    assert len(tracks) == 11
    stems, rate = load_stems(tracks["safiye-over-mdn"])
    # overlays.toml: 48.66 s at 44.1 kHz; each file's end may round by one sample.
    assert abs(stems["mix"].shape[1] - 48.66 * rate) <= 4
    backing = sum(stems[name] for name in ("drums", "bass", "other"))
    # 0 dB between the active parts of the voice and the backing, so a little less over all.
    balance_db = 20 * np.log10(np.std(stems["vocals"]) / np.std(backing))
    assert -2.0 < balance_db < 0.0
