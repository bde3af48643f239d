"""Curves cut into notes."""

from __future__ import annotations

import numpy as np
import pytest

from unmixcli.pitch.notes import Note, NoteFinder

STEP_S = 0.01


def hz(midi: np.ndarray | float) -> np.ndarray:
    return 440 * 2 ** ((np.asarray(midi, dtype=np.float64) - 69) / 12)


def found(f0_hz: np.ndarray, block: int = 10_000) -> list[Note]:
    finder = NoteFinder(STEP_S)
    notes = []
    for start in range(0, len(f0_hz), block):
        notes += finder.push(f0_hz[start : start + block])
    return notes + finder.finish()


def melody(*parts: tuple[float, int]) -> np.ndarray:
    """Frames of (MIDI number, frames), None for rests as 0."""
    return np.concatenate([np.full(n, hz(note) if note else 0.0) for note, n in parts])


def test_melody_gives_its_notes() -> None:
    f0_hz = melody((0, 20), (60, 30), (0, 10), (62, 40), (64, 25), (64.3, 20), (60, 50))
    expected = [(0.2, 0.5, 60), (0.6, 1.0, 62), (1.0, 1.45, 64), (1.45, 1.95, 60)]
    assert [(n.start_s, n.end_s, n.pitch) for n in found(f0_hz)] == [
        pytest.approx(note) for note in expected
    ]


@pytest.mark.parametrize("extent", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("rate_hz", [5.0, 6.5])
def test_vibrato_does_not_split_a_note(extent: float, rate_hz: float) -> None:
    times = np.arange(300) * STEP_S
    notes = found(hz(67 + extent * np.sin(2 * np.pi * rate_hz * times)))
    assert [n.pitch for n in notes] == [67]
    assert notes[0].end_s - notes[0].start_s > 2.9


def test_semitone_is_a_new_note() -> None:
    assert [n.pitch for n in found(melody((60, 30), (61, 30)))] == [60, 61]


@pytest.mark.parametrize(("gap", "count"), [(5, 1), (6, 2)])
def test_a_gap_of_more_than_50_ms_splits(gap: int, count: int) -> None:
    assert len(found(melody((60, 30), (0, gap), (60, 30)))) == count


@pytest.mark.parametrize(("frames", "count"), [(7, 0), (8, 1)])
def test_what_is_shorter_than_80_ms_is_no_note(frames: int, count: int) -> None:
    assert len(found(melody((0, 20), (60, frames), (0, 20)))) == count


def test_short_excursion_belongs_to_the_note() -> None:
    notes = found(melody((60, 30), (72, 3), (60, 30)))
    assert [(n.start_s, n.end_s, n.pitch) for n in notes] == [(0.0, pytest.approx(0.63), 60)]


@pytest.mark.parametrize("block", [1, 13])
def test_blocks_of_any_length_give_the_same(block: int) -> None:
    random = np.random.default_rng(0)
    f0_hz = hz(60 + np.repeat(random.integers(0, 5, 40), 20) + random.normal(0, 0.2, 800))
    f0_hz[random.random(800) < 0.1] = 0
    assert found(f0_hz, block) == found(f0_hz)


def test_silence_has_no_notes() -> None:
    assert found(np.zeros(100)) == []
