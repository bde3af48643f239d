"""Tunes made up where no lead sheet is at hand: well-worn progressions and a walk on the scale."""

from __future__ import annotations

import numpy as np

from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.lead_sheet import Bar, LeadSheet, MelodyNote
from unmixcli.data.render.theory import Key, diatonic_triad, nearest_pitch

# Degrees of the scale from 0, a bar each.
_MAJOR = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 0, 4), (1, 4, 0, 0), (0, 2, 3, 4))
_MINOR = ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 5, 3, 4), (0, 2, 6, 3), (0, 0, 3, 3))
# Lengths of a bar's notes in quarters; a negative one is a rest.
_RHYTHMS = (
    (1.0, 1.0, 1.0, 1.0),
    (1.5, 0.5, 1.0, 1.0),
    (0.5, 0.5, 0.5, 0.5, 1.0, -1.0),
    (2.0, 1.0, 1.0),
    (-1.0, 0.5, 0.5, 1.0, 1.0),
    (3.0, -1.0),
    (0.75, 0.75, 0.5, 2.0),
)
_MIDDLE_PITCH = 66


def made_up_tune(random: np.random.Generator, *, bars: int = 16) -> LeadSheet:
    """A tune of so many bars, rounded up to fours: two progressions, first and second four."""
    key = Key(int(random.integers(12)), minor=chance(random, 0.45))
    kinds = _MINOR if key.minor else _MAJOR
    first, second = pick(random, kinds), pick(random, kinds)
    degrees = [degree for four in range(-(-bars // 4)) for degree in (first, second)[four // 2 % 2]]
    pitch, made = nearest_pitch(key.tonic, to=_MIDDLE_PITCH), []
    for degree in degrees:
        chord = diatonic_triad(key, degree)
        melody = _melody(random, key, start=nearest_pitch(pick(random, chord.tones), to=pitch))
        pitch = melody[-1].pitch if melody else pitch
        made.append(Bar(((0.0, chord),), melody))
    return LeadSheet("made up", key, tuple(made))


def _melody(random: np.random.Generator, key: Key, *, start: int) -> tuple[MelodyNote, ...]:
    scale = [p for p in range(_MIDDLE_PITCH - 9, _MIDDLE_PITCH + 10) if p % 12 in key.scale]
    at = int(np.argmin([abs(pitch - start) for pitch in scale]))
    notes, beat = [], 0.0
    for length in pick(random, _RHYTHMS):
        if length > 0:
            notes.append(MelodyNote(beat, length, scale[at]))
            at = int(np.clip(at + random.integers(-2, 3), 0, len(scale) - 1))
        beat += abs(length)
    return tuple(notes)
