"""Salience as .npz and as a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from unmixcli.pitch import plot
from unmixcli.pitch.f0 import Lines
from unmixcli.pitch.plot import PitchPlot
from unmixcli.pitch.salience_file import SalienceWriter

FRAME = Fraction(256, 22050)


@pytest.mark.parametrize("block", [1, 7, 50])
def test_salience_reads_back(tmp_path: Path, block: int) -> None:
    salience = np.random.default_rng(0).random((36, 50)).astype(np.float32)
    frequencies = np.geomspace(32.7, 2000, 36)
    path = tmp_path / "song.salience.npz"
    with SalienceWriter(path, frequencies=frequencies, frame_s=FRAME) as writer:
        for start in range(0, 50, block):
            writer.write(salience[:, start : start + block])
        writer.finish()
    with np.load(path) as found:
        assert set(found) == {"salience", "times", "frequencies"}
        assert np.array_equal(found["salience"], salience)
        assert np.array_equal(found["frequencies"], frequencies)
        np.testing.assert_allclose(found["times"], np.arange(50) * 256 / 22050)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def drawn(path: Path, f0_hz: np.ndarray, salience: np.ndarray | None) -> np.ndarray:
    frequencies = None if salience is None else np.geomspace(50, 1000, len(salience))
    picture = PitchPlot(step_s=0.01, frame_s=0.01, frequencies=frequencies)
    picture.push(Lines(f0_hz, 0.0 * f0_hz), salience)
    picture.write(path)
    return imread(path)


def test_picture_shows_pitch_and_salience(tmp_path: Path) -> None:
    salience = np.zeros((36, 200), np.float32)
    silent, sung = np.zeros((1, 200)), np.full((1, 200), 220.0)
    nothing = drawn(tmp_path / "a.png", silent, salience)
    with_f0 = drawn(tmp_path / "b.png", sung, salience)
    salience[10] = 1.0
    with_both = drawn(tmp_path / "c.png", sung, salience)
    assert not np.array_equal(nothing, with_f0)
    assert not np.array_equal(with_f0, with_both)
    assert drawn(tmp_path / "d.png", sung, None).shape == nothing.shape


@pytest.mark.parametrize("block", [1, 3, 37])
def test_columns_are_the_largest_of_their_frames(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(plot, "_MOST_COLUMNS", 10)
    salience = np.random.default_rng(0).random((3, 37)).astype(np.float32)
    columns = plot._Columns()
    for start in range(0, 37, block):
        columns.push(salience[:, start : start + block])
    found = columns.finish()
    assert columns.width == 4
    expected = [salience[:, k : k + 4].max(axis=1) for k in range(0, 37, 4)]
    assert np.array_equal(found, np.stack(expected, axis=1))
