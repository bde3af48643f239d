from pathlib import Path

import pytest

from unmixcli.data.tracks.mixing_secrets import MIXING_SECRETS, target_of


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("KickOut", "drums"),
        ("BassDrum", "drums"),
        ("HiHat", "drums"),
        ("OHs", "drums"),
        ("Overheads", "drums"),
        ("Tom1", "drums"),
        ("DrumsRoom", "drums"),
        ("Tambourine", "drums"),
        ("SynthBass", "bass"),
        ("BassAmp", "bass"),
        ("BassRoom", "bass"),
        ("Bassoon", "other"),
        ("ElecGtr1DI", "electric_guitar"),
        ("Gtr2", "electric_guitar"),
        ("GtrRoom", "electric_guitar"),
        ("AcGtr", "acoustic_guitar"),
        ("AcousticGuitar2", "acoustic_guitar"),
        ("Piano_L", "piano"),
        ("LeadVox", "vocals"),
        ("BackingVox3", "vocals"),
        ("BVs", "vocals"),
        ("Harmony", "vocals"),
        ("Synth1", "other"),
        ("Trumpet", "other"),
        ("Strings", "other"),
        ("Hammond", "other"),
        ("Harp", "other"),
        ("Tuba", "other"),
    ],
)
def test_names(name: str, target: str) -> None:
    assert target_of(name) == target


def test_a_multitrack(tmp_path: Path, trees) -> None:
    (track,) = MIXING_SECRETS.read(trees["mixing-secrets"](tmp_path)).tracks
    assert track.name == "Artist_Song_Full"
    assert track.mixture is None
    found = {stem: [part.path.stem for part in parts] for stem, parts in track.stems.items()}
    assert found == {
        "vocals": ["07_LeadVox"],
        "electric_guitar": ["04_ElecGtr1"],
        "acoustic_guitar": ["05_AcousticGtr"],
        "piano": ["06_Piano"],
        "bass": ["03_BassDI"],
        "drums": ["01_KickIn", "02_SnareUp"],
        "other": ["08_Trumpet"],
    }
    assert "unity gain" in track.notes[0]


def test_folders_within_folders(tmp_path: Path, trees) -> None:
    trees["mixing-secrets"](tmp_path / "Artist" / "zip")
    (track,) = MIXING_SECRETS.read(tmp_path).tracks
    assert track.name == "Artist_Song_Full"
