"""Manifests: written whole, read back the same, done only if everything agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmixcli.batch.manifest import Fingerprint, Manifest, OutputRecord, is_done, read_manifest
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


def test_a_place_that_cannot_be_written(written: Path) -> None:
    manifest = read_manifest(written)
    assert manifest is not None
    with pytest.raises(ResourceError, match="cannot be written"):
        manifest.write(written / "below a file")
