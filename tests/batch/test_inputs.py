"""Inputs: files, folders, globs, standard input; each track once, in order."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from unmixcli.batch.inputs import InputTrack, find_inputs
from unmixcli.batch.manifest import Fingerprint, Manifest, OutputRecord


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.mp3", "a.WAV", "notes.txt", ".hidden.wav", "deep/c.flac", "deep/er/d.m4a"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.wav").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*names: str, **options: object) -> list[tuple[str, str]]:
    tracks = find_inputs(names, **options)  # type: ignore[arg-type]
    return [(str(track.path), str(track.folder)) for track in tracks]


def test_folder(tree: Path) -> None:
    assert found(".") == [("a.WAV", "."), ("b.mp3", ".")]


def test_folder_with_all_below(tree: Path) -> None:
    assert found(".", recursive=True) == [
        ("a.WAV", "."), ("b.mp3", "."), ("deep/c.flac", "deep"), ("deep/er/d.m4a", "deep/er"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.mp3", [("b.mp3", ".")]),
        ("**/*.flac", [("deep/c.flac", "deep")]),
        ("deep/*/*.m4a", [("deep/er/d.m4a", "er")]),
        ("dee?", [("deep/c.flac", ".")]),
    ],
)
def test_globs(tree: Path, pattern: str, expected: list[tuple[str, str]]) -> None:
    assert found(pattern) == expected


def test_a_file_that_looks_like_a_glob_is_a_file(tree: Path) -> None:
    (tree / "[x]*.wav").touch()
    assert found("[x]*.wav") == [("[x]*.wav", ".")]


def test_named_files_are_taken_whatever_they_are(tree: Path) -> None:
    assert found("notes.txt", "missing") == [("notes.txt", "."), ("missing", ".")]


def test_each_track_once_in_the_order_named(tree: Path) -> None:
    assert found("b.mp3", ".", str(tree / "b.mp3")) == [("b.mp3", "."), ("a.WAV", ".")]


def test_output_folder_is_left_out_unless_named(tree: Path) -> None:
    assert ("deep/c.flac", "deep") not in found(".", recursive=True, exclude=Path("deep"))
    assert found("deep/c.flac", exclude=Path("deep")) == [("deep/c.flac", ".")]


@pytest.mark.parametrize("out", [".", "..", "elsewhere"])
def test_songs_beside_the_outputs_are_inputs(tree: Path, out: str) -> None:
    assert found(".", exclude=Path(out)) == [("a.WAV", "."), ("b.mp3", ".")]


def test_what_a_manifest_names_is_no_input(tree: Path) -> None:
    record = OutputRecord(file="b.mp3", bytes=0, samples=0, peak=0.0, silent=True)
    fingerprint = Fingerprint(input_sha256="", model="", model_sha256="", settings={}, version="")
    Manifest(
        input="", fingerprint=fingerprint, sample_rate=1, gain_db=0.0, outputs={"vocals": record}
    ).write(tree / "song.unmix.json")
    assert found(".", exclude=Path()) == [("a.WAV", ".")]


def test_standard_input() -> None:
    (track,) = find_inputs(["-"])
    assert (track, track.name, track.label) == (InputTrack(None, PurePath()), "stdin", "stdin")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("empty", "holds no audio file; --recursive"), ("*.nothing", "matches no file")],
)
def test_nothing_found_is_one_failed_track(tree: Path, name: str, complaint: str) -> None:
    (tree / "empty").mkdir()
    track, good = find_inputs([name, "b.mp3"])
    assert complaint in track.problem
    assert (str(good.path), good.problem) == ("b.mp3", "")
