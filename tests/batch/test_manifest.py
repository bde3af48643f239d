"""Manifests: written whole, read back the same, done only if everything agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmixcli.batch.manifest import (
    Fingerprint,
    Manifest,
    OutputRecord,
    is_done,
    read_manifest,
    release,
    written_beside,
)
from unmixcli.errors import ResourceError

PRINT = Fingerprint(
    input_sha256="a", model="m", model_sha256="b", settings={"x": [1.0, 0.1]}, version="1"
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "vocals.wav").write_bytes(b"12345")
    record = OutputRecord(file="vocals.wav", bytes=5, samples=1, peak=0.1, silent=False)
    manifest = Manifest(
        input="song", fingerprint=PRINT, sample_rate=44100, gain_db=0.0, outputs={"vocals": record}
    )
    path = tmp_path / "song.unmix.json"
    manifest.write(path)
    assert read_manifest(path) == manifest
    assert {p.name for p in tmp_path.iterdir()} == {"vocals.wav", "song.unmix.json"}
    return path


def test_done(written: Path) -> None:
    assert is_done(written, PRINT) is not None


@pytest.mark.parametrize("field", ["input_sha256", "model", "model_sha256", "version"])
def test_any_difference_means_not_done(written: Path, field: str) -> None:
    assert is_done(written, PRINT.model_copy(update={field: "other"})) is None


def test_other_settings_mean_not_done(written: Path) -> None:
    assert is_done(written, PRINT.model_copy(update={"settings": {"x": [1.0, 0.2]}})) is None


@pytest.mark.parametrize("content", [None, b"1234", b"123456"])
def test_missing_or_changed_files_mean_not_done(written: Path, content: bytes | None) -> None:
    stem = written.parent / "vocals.wav"
    stem.unlink()
    if content is not None:
        stem.write_bytes(content)
    assert is_done(written, PRINT) is None


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"{}", b'{"input": 1}', b"\xff\xfe"])
def test_a_spoiled_manifest_is_none(written: Path, content: bytes) -> None:
    written.write_bytes(content)
    assert is_done(written, PRINT) is None


def run(folder: Path, name: str, files: list[str], **changes: object) -> Path:
    """A run that replaces files and leaves its manifest."""
    path = folder / name
    release(path, [folder / file for file in files])
    for file in files:
        (folder / file).write_bytes(b"12345")
    outputs = {
        file: OutputRecord(file=file, bytes=5, samples=1, peak=0.1, silent=False) for file in files
    }
    print_ = PRINT.model_copy(update=changes)
    manifest = Manifest(
        input="song", fingerprint=print_, sample_rate=44100, gain_db=0.0, outputs=outputs
    )
    manifest.write(path)
    return path


def test_files_of_an_earlier_run_stay_ours(tmp_path: Path) -> None:
    run(tmp_path, "song.unmix.json", ["vocals.wav", "drums.wav"])
    second = run(tmp_path, "song.unmix.json", ["drums.wav", "bass.wav"], model="n")
    assert is_done(second, PRINT.model_copy(update={"model": "n"})) is not None
    assert is_done(second, PRINT) is None
    assert written_beside(tmp_path) == {"vocals.wav", "drums.wav", "bass.wav"}
    (tmp_path / "vocals.wav").unlink()
    third = read_manifest(run(tmp_path, "song.unmix.json", ["drums.wav"]))
    assert third is not None
    assert list(third.earlier) == ["bass.wav"]


def test_a_file_belongs_to_the_run_that_wrote_it_last(tmp_path: Path) -> None:
    first = run(tmp_path, "song.unmix.json", ["harmonic.wav", "vocals.wav"])
    apart = run(tmp_path, "other.unmix.json", ["bass.wav"])
    second = run(tmp_path, "song.hpss.unmix.json", ["harmonic.wav", "percussive.wav"])
    assert is_done(first, PRINT) is None
    assert is_done(second, PRINT) is not None
    assert is_done(apart, PRINT) is not None
    names = {"harmonic.wav", "vocals.wav", "percussive.wav", "bass.wav"}
    assert written_beside(tmp_path) == names
    (tmp_path / "vocals.wav").unlink()
    run(tmp_path, "song.hpss.unmix.json", ["harmonic.wav", "percussive.wav"])
    assert is_done(first, PRINT) is None


def test_between_the_runs_nothing_is_done(tmp_path: Path) -> None:
    path = run(tmp_path, "song.unmix.json", ["vocals.wav", "drums.wav"])
    release(path, [tmp_path / "drums.wav"])
    assert is_done(path, PRINT) is None
    assert written_beside(tmp_path) == {"vocals.wav"}
    release(path, [tmp_path / "vocals.wav"])
    assert not path.exists()


def test_a_manifest_that_cannot_be_removed(written: Path, monkeypatch) -> None:
    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ResourceError, match="cannot be removed: Permission denied"):
        release(written, [written.parent / "vocals.wav"])


def test_a_place_that_cannot_be_written(written: Path) -> None:
    manifest = read_manifest(written)
    assert manifest is not None
    with pytest.raises(ResourceError, match="cannot be written"):
        manifest.write(written / "below a file")
