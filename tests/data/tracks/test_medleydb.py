from pathlib import Path

import pytest

from unmixcli.data.tracks.load import load_stems
from unmixcli.data.tracks.medleydb import MEDLEYDB
from unmixcli.errors import InputError

NAME = "Artist_Title"


def test_coefficients_and_instruments(tmp_path: Path, trees) -> None:
    (track,) = MEDLEYDB.read(trees["medleydb"](tmp_path)).tracks
    stems, _ = load_stems(track)
    # Stem n of the tree has the coefficient n / 8.
    levels = {
        "vocals": 0.5 * 1 / 8,
        "drums": 0.25 * 2 / 8,
        "bass": 0.5 * 3 / 8,
        "acoustic_guitar": 0.25 * 4 / 8,
        "electric_guitar": 0.125 * 5 / 8 + 0.125 * 6 / 8,
        "piano": 0.5 * 7 / 8,
        "other": 0.25 * 8 / 8,
    }
    found = {name: float(array[0, 0]) for name, array in stems.items()}
    assert found == {**levels, "mix": sum(levels.values())}


def test_annotations_and_notes(tmp_path: Path, trees) -> None:
    (track,) = MEDLEYDB.read(trees["medleydb"](tmp_path)).tracks
    assert set(track.annotations) == {"melody1", "mastered_mix"}
    assert all(path.is_file() for path in track.annotations.values())
    assert track.notes == ("stems bleed into each other",)


def test_version_2_with_metadata_apart_and_no_other_instruments(tmp_path: Path, trees) -> None:
    folder = trees["medleydb"](tmp_path)
    (folder / "Audio").rename(folder / "V2")
    (folder / "Metadata").mkdir()
    metadata = folder / "V2" / NAME / f"{NAME}_METADATA.yaml"
    metadata.rename(folder / "Metadata" / metadata.name)
    (track,) = MEDLEYDB.read(folder).tracks
    assert len(track.parts) == 8


def test_coefficients_in_the_metadata(tmp_path: Path, trees) -> None:
    folder = trees["medleydb"](tmp_path)
    (folder / "mixing_coefficients.yaml").unlink()
    metadata = folder / "Audio" / NAME / f"{NAME}_METADATA.yaml"
    table = "".join(f"\n  S{number:02d}: 0.5" for number in range(1, 9))
    metadata.write_text(metadata.read_text() + "\nmixing_coefficients:" + table)
    assert {part.gain for part in MEDLEYDB.read(folder).tracks[0].parts} == {0.5}


def test_an_instrumental_has_silent_vocals(tmp_path: Path, trees) -> None:
    folder = trees["medleydb"](tmp_path)
    metadata = folder / "Audio" / NAME / f"{NAME}_METADATA.yaml"
    metadata.write_text(metadata.read_text().replace("male singer", "oud"))
    assert MEDLEYDB.read(folder).tracks[0].stems["vocals"] == ()


def test_no_coefficients_are_an_error(tmp_path: Path, trees) -> None:
    folder = trees["medleydb"](tmp_path)
    (folder / "mixing_coefficients.yaml").unlink()
    with pytest.raises(InputError, match=r"coefficients of Artist_Title were not found"):
        MEDLEYDB.read(folder)


def test_a_stem_without_coefficient_is_an_error(tmp_path: Path, trees) -> None:
    folder = trees["medleydb"](tmp_path)
    (folder / "mixing_coefficients.yaml").write_text(f"{NAME}:\n  1: 0.5\n")
    with pytest.raises(InputError, match="lack stem 2"):
        MEDLEYDB.read(folder)


def test_missing_audio_and_missing_metadata_are_named(tmp_path: Path, trees) -> None:
    folder = trees["medleydb"](tmp_path)
    file = folder / "Audio" / NAME / f"{NAME}_STEMS" / f"{NAME}_STEM_03.wav"
    file.unlink()
    with pytest.raises(InputError, match="STEM_03"):
        MEDLEYDB.read(folder)
    (folder / "Audio" / NAME / f"{NAME}_METADATA.yaml").unlink()
    with pytest.raises(InputError, match="METADATA"):
        MEDLEYDB.read(folder)


def test_metadata_without_stems(tmp_path: Path, trees, text) -> None:
    folder = trees["medleydb"](tmp_path)
    text(folder / "Audio" / NAME / f"{NAME}_METADATA.yaml", "title: x\n")
    with pytest.raises(InputError, match="lists no stems"):
        MEDLEYDB.read(folder)


def test_stems_are_numbered_not_spelt(tmp_path: Path, constant, text) -> None:
    track = tmp_path / "Audio" / NAME
    lines = []
    for number in (1, 2, 10):
        constant(track / f"{NAME}_STEMS" / f"{number}.wav")
        lines.append(f"  S{number}: {{filename: {number}.wav, instrument: piano}}")
    text(track / f"{NAME}_METADATA.yaml", "\n".join(["stems:", *lines]))
    text(tmp_path / "mixing_coefficients.yaml", f"{NAME}: {{1: 0.1, 2: 0.2, 10: 1.0}}\n")
    (read,) = MEDLEYDB.read(tmp_path).tracks
    assert {part.path.stem: part.gain for part in read.parts} == {"1": 0.1, "2": 0.2, "10": 1.0}
