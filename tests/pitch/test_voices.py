"""Several voices: peaks and the lines that they form."""

from __future__ import annotations

import numpy as np
import pytest

from pitch.ridges_for_tests import AXIS, cents, decoded, ridge
from unmixcli.pitch.decode import PitchRange
from unmixcli.pitch.f0 import Lines
from unmixcli.pitch.voices import MOST_VOICES, VoicesDecoder


def voices_of(*f0_hz: np.ndarray, block: int | None = None) -> Lines:
    salience = np.max([ridge(voice) for voice in f0_hz], axis=0)
    return decoded(VoicesDecoder(AXIS, within=PitchRange()), salience, block)


def notes(*midi: int, frames: int = 40) -> np.ndarray:
    """A melody, 0 for a rest."""
    hz = [440 * 2 ** ((note - 69) / 12) if note else 0.0 for note in midi]
    return np.repeat(hz, frames)


def test_two_voices_in_harmony_are_two_lines() -> None:
    upper = notes(64, 67, 65, 69, 67)
    lower = notes(60, 64, 60, 65, 64)
    lines = voices_of(lower, upper)
    sounding = [row for row in lines.f0_hz if row.any()]
    assert len(sounding) == 2
    for found, true in zip(sounding, (lower, upper), strict=True):
        assert np.abs(cents(found, true)).max() < 8


def test_voice_comes_back_to_its_row_after_a_rest() -> None:
    lower, upper = notes(55, 0, 57, 55), notes(67, 69, 0, 67)
    lines = voices_of(lower, upper)
    sounding = [row for row in lines.f0_hz if row.any()]
    assert len(sounding) == 2
    for found, true in zip(sounding, (lower, upper), strict=True):
        assert np.array_equal(found > 0, true > 0)
        voiced = true > 0
        assert np.abs(cents(found[voiced], true[voiced])).max() < 8


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_any_length_give_the_same(block: int) -> None:
    true = notes(60, 64, 0, 62), notes(67, 71, 69, 0)
    whole, parts = voices_of(*true), voices_of(*true, block=block)
    assert np.array_equal(whole.f0_hz, parts.f0_hz)
    assert np.array_equal(whole.confidence, parts.confidence)


def test_one_plateau_is_one_voice() -> None:
    salience = np.zeros((AXIS.bins, 5))
    salience[100:103] = 0.8
    lines = decoded(VoicesDecoder(AXIS, within=PitchRange()), salience)
    assert ((lines.f0_hz > 0).sum(axis=0) == 1).all()


def test_what_is_below_the_threshold_is_no_voice() -> None:
    salience = np.maximum(ridge(notes(60)), ridge(notes(67), height=0.3))
    lines = decoded(VoicesDecoder(AXIS, within=PitchRange(threshold=0.4)), salience)
    assert ((lines.f0_hz > 0).sum(axis=0) == 1).all()


def test_of_more_voices_than_rows_the_strongest_stay() -> None:
    midi = np.arange(48, 48 + 4 * (MOST_VOICES + 2), 4)
    heights = np.linspace(0.5, 0.9, len(midi))
    ridges = [ridge(notes(note, frames=3), height=h) for note, h in zip(midi, heights, strict=True)]
    lines = decoded(VoicesDecoder(AXIS, within=PitchRange()), np.max(ridges, axis=0))
    found = np.sort(np.round(69 + 12 * np.log2(lines.f0_hz[:, 0] / 440)))
    assert found.tolist() == midi[2:].tolist()
