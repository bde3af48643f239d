from pathlib import Path

import pytest

from unmixcli.data.tracks.slakh import SLAKH
from unmixcli.errors import InputError


def names(parts) -> list[str]:
    return [part.path.stem for part in parts]


def test_stems_by_class_and_program(tmp_path: Path, trees) -> None:
    track = SLAKH.read(trees["slakh2100"](tmp_path)).tracks[0]
    assert {stem: names(parts) for stem, parts in track.stems.items()} == {
        "vocals": [],
        "electric_guitar": ["S00"],
        "acoustic_guitar": ["S01"],
        "piano": ["S04"],
        "bass": [],
        "drums": ["S02"],
        "other": ["S05"],
    }
    assert track.mixture is not None
    assert track.mixture.path.name == "mix.flac"


def test_folders_are_splits_and_duplicates_stay_apart(tmp_path: Path, trees) -> None:
    manifest = SLAKH.read(trees["slakh2100"](tmp_path))
    assert manifest.splits == ("train", "validation", "test", "omitted")
    assert [track.name for track in manifest.select("train").tracks] == ["Track00001"]


def test_without_folders_the_number_decides(tmp_path: Path, trees) -> None:
    folder = trees["slakh2100"](tmp_path)
    for split in ("train", "validation", "test"):
        for track in (folder / split).iterdir():
            track.rename(folder / track.name)
    found = {t.name: t.split for t in SLAKH.read(folder).tracks if t.split != "omitted"}
    assert found == {"Track00001": "train", "Track01501": "validation", "Track01876": "test"}


def test_wav_copies_are_read_too(tmp_path: Path, trees, constant) -> None:
    folder = trees["slakh2100"](tmp_path)
    stem = folder / "train" / "Track00001" / "stems" / "S00.flac"
    stem.unlink()
    constant(stem.with_suffix(".wav"))
    assert names(SLAKH.read(folder).tracks[0].stems["electric_guitar"]) == ["S00"]


@pytest.mark.parametrize("file", ["stems/S00.flac", "mix.flac", "metadata.yaml"])
def test_a_missing_file_is_named(tmp_path: Path, trees, file: str) -> None:
    folder = trees["slakh2100"](tmp_path)
    (folder / "test" / "Track01876" / file).unlink()
    with pytest.raises(InputError) as caught:
        SLAKH.read(folder)
    assert f"test/Track01876/{file}" in str(caught.value)


def test_metadata_without_stems(tmp_path: Path, trees, text) -> None:
    folder = trees["slakh2100"](tmp_path)
    text(folder / "test" / "Track01876" / "metadata.yaml", "UUID: x\n")
    with pytest.raises(InputError, match="lists no stems"):
        SLAKH.read(folder)
