"""A data set and another tool's estimates of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from evaluation.runs_for_tests import stems_of, write_stems
from unmixcli.data.tracks import Manifest, read_dataset


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three tracks of two stems; their folder names hold what a path can hold."""
    folder = tmp_path / "data"
    for seed, name in enumerate(("first song", "Ä & <b>", "third's")):
        write_stems(folder / name, stems_of(seed))
    return folder


@pytest.fixture
def manifest(data: Path) -> Manifest:
    return read_dataset(data)


@pytest.fixture
def estimates(data: Path, tmp_path: Path) -> Callable[[], Path]:
    """Make estimates of another tool: every reference a little louder."""

    def make() -> Path:
        for track in data.iterdir():
            for path in track.glob("*.wav"):
                samples = soundfile.read(path, always_2d=True, dtype="float32")[0].T
                write_stems(tmp_path / "estimates" / track.name, {path.stem: 1.1 * samples})
        return tmp_path / "estimates"

    return make
