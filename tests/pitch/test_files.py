"""Salience as .npz and as a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from unmixcli.pitch.f0 import Lines
from unmixcli.pitch.plot import PitchPlot, note_ticks, pen_strokes
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


def test_a_voice_below_what_people_sing_is_drawn(tmp_path: Path) -> None:
    """Without salience the range is that of singers, unless a voice leaves it."""
    nothing, bass, whale = (
        drawn(tmp_path / f"{hz}.png", np.full((1, 200), hz), None) for hz in (0.0, 41.2, 20.6)
    )
    assert not np.array_equal(nothing, bass)
    assert not np.array_equal(bass, whale)


def test_octaves_have_the_names_of_their_cs() -> None:
    ticks = note_ticks(63.5, 1077.0)
    assert list(ticks.values()) == [
        "C2  65 Hz",
        "C3  131 Hz",
        "C4  262 Hz",
        "C5  523 Hz",
        "C6  1047 Hz",
    ]
    np.testing.assert_allclose(list(ticks), 440 * 2 ** (np.arange(-33, 16, 12) / 12))


def test_a_narrow_range_has_the_names_of_all_its_notes() -> None:
    assert list(note_ticks(430, 530).values()) == [
        "A4  440 Hz",
        "A♯4  466 Hz",
        "B4  494 Hz",
        "C5  523 Hz",
    ]


def test_the_picture_bears_these_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    picture = PitchPlot(step_s=0.01, frame_s=0.01, frequencies=np.geomspace(60, 270, 36))
    picture.push(Lines(np.zeros((1, 9)), np.zeros((1, 9))), np.zeros((36, 9), np.float32))
    picture.write(tmp_path / "song.pitch.png")
    axes = figures[0].axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(
        note_ticks(60, 270).values()
    )
    assert axes.get_ylim() == pytest.approx((60, 270))


def test_no_line_is_drawn_over_a_leap_or_a_rest() -> None:
    """Three semitones from step to step are a glide, four a leap."""
    semitones = np.array([0.0, 3.0, -1.0, 11.0, 11.0])
    f0_hz = np.append(220 * 2 ** (semitones / 12), [0, 220])
    times_s, drawn = pen_strokes(np.arange(7) / 100, f0_hz)
    assert np.isnan(drawn).tolist() == [False, False, True, False, True, False, False, True, False]
    np.testing.assert_array_equal(drawn[~np.isnan(drawn)], f0_hz[f0_hz > 0])
    np.testing.assert_allclose(times_s[~np.isnan(drawn)] * 100, [0, 1, 2, 3, 4, 6])
    assert (np.diff(times_s) >= 0).all()
    assert [len(array) for array in pen_strokes(np.zeros(0), np.zeros(0))] == [0, 0]
