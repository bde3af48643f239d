from pathlib import Path

import pytest

from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.tap_and_fiddle import TAP_AND_FIDDLE
from unmixcli.errors import InputError


def read(folder: Path) -> dict[str, tuple]:
    manifest = TAP_AND_FIDDLE.read(folder)
    return {track.name: (track.split, track) for track in manifest.tracks}


def test_a_folder_a_tune(tmp_path: Path, trees) -> None:
    tracks = read(trees["tap-and-fiddle"](tmp_path))
    splits = {name: split for name, (split, _) in tracks.items()}
    assert splits == {"Halling 1": "train", "Stapel": "train", "Polska": "test"}
    stems, _ = load_stems(tracks["Stapel"][1])
    levels = {name: float(array[0, 0]) for name, array in stems.items()}
    assert levels == {"percussive": 0.25, "harmonic": 0.5, "mix": 0.75}


@pytest.mark.parametrize(
    ("foot", "violin", "mix", "name"),
    [
        ("Stapel_foot.wav", "Stapel_fiddle.wav", "Stapel_mix.wav", "Stapel"),
        ("01 Foot Tapping.wav", "01 Violin.wav", "01 Mixture.wav", "01"),
        ("foot/Stapel.wav", "violin/Stapel.wav", "mix/Stapel.wav", "Stapel"),
        ("Barefoot_tap.wav", "Barefoot_fiddle.wav", "Barefoot_mix.wav", "Barefoot"),
        ("PolskaFoot.wav", "PolskaFiddle.wav", "PolskaMix.wav", "Polska"),
    ],
)
def test_other_ways_to_name_files(
    tmp_path: Path, constant, foot: str, violin: str, mix: str, name: str
) -> None:
    constant(tmp_path / "Test" / foot, 0.25)
    constant(tmp_path / "Test" / violin, 0.5)
    constant(tmp_path / "Test" / mix, 0.625)
    ((found, (split, track)),) = read(tmp_path).items()
    assert (found, split) == (name, "test")
    stems, _ = load_stems(track)
    assert [float(stems[n][0, 0]) for n in ("percussive", "harmonic", "mix")] == [0.25, 0.5, 0.625]


def test_an_incomplete_tune_is_named(tmp_path: Path, trees) -> None:
    folder = trees["tap-and-fiddle"](tmp_path)
    (folder / "test" / "Polska" / "violin.wav").unlink()
    with pytest.raises(InputError, match="test/Polska: harmonic not found"):
        TAP_AND_FIDDLE.read(folder)
