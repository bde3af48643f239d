"""What the chords' players play: comping in a rhythm, arpeggios, held pads."""

from __future__ import annotations

import numpy as np

from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.notes import Note
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.theory import Chord, nearest_pitch

# Onsets in quarters and how long they are held.
_RHYTHMS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0.0, 3.9),),
    ((0.0, 1.9), (2.0, 1.9)),
    ((0.0, 0.9), (1.0, 0.9), (2.0, 0.9), (3.0, 0.9)),
    ((0.5, 0.4), (1.5, 0.4), (2.5, 0.4), (3.5, 0.4)),
    ((0.0, 1.4), (1.5, 0.9), (2.5, 1.3)),
    ((0.0, 0.7), (0.75, 0.7), (1.5, 1.0), (3.0, 0.8)),
    tuple((beat / 2, 0.45) for beat in range(8)),
)


def voicing(chord: Chord, *, near: float, tones: int = 4) -> list[int]:
    """The chord's tones about a pitch, each in the octave nearest to it, low to high.

    >>> voicing(Chord(0), near=60)
    [55, 60, 64]
    """
    return sorted({nearest_pitch(tone, to=near) for tone in chord.tones[:tones]})


def comping_part(plan: Plan, random: np.random.Generator, *, near: float) -> list[Note]:
    """Chords in one rhythm through the song, or broken ones, about a pitch."""
    arpeggio = chance(random, 0.3)
    # Strings of a guitar are struck one after the other.
    spread_s = float(random.uniform(0.0, 0.018))
    rhythm, notes = pick(random, _RHYTHMS), list[Note]()
    for bar, section in plan.bars_of("chords"):
        loudness = (0.5 + 0.3 * section.energy) * float(random.uniform(0.9, 1.1))
        for first, beats, chord in plan.chords(bar):
            pitches = voicing(chord, near=near)
            if arpeggio:
                notes += _broken(plan, (bar, first, beats), pitches, velocity=loudness)
                continue
            onsets = [(b, length) for b, length in rhythm if first <= b < first + beats]
            for beat, length in onsets or [(first, beats * 0.95)]:
                start = plan.second(bar, beat) + abs(float(random.normal(0.0, 0.004)))
                held = min(length, first + beats - beat) * plan.beat_s
                notes += [
                    Note(start + string * spread_s, held, pitch, loudness)
                    for string, pitch in enumerate(pitches)
                ]
    return notes


def pad_part(plan: Plan, *, near: float) -> list[Note]:
    """Every chord held until the next one."""
    return [
        Note(plan.second(bar, first), beats * plan.beat_s, pitch, 0.6)
        for bar, _ in plan.bars_of("pad")
        for first, beats, chord in plan.chords(bar)
        for pitch in voicing(chord, near=near)
    ]


def _broken(
    plan: Plan, where: tuple[int, float, float], pitches: list[int], *, velocity: float
) -> list[Note]:
    bar, first, beats = where
    order = [*pitches, *pitches[-2:0:-1]]
    return [
        Note(
            plan.second(bar, first + step / 2),
            plan.beat_s,
            order[step % len(order)],
            velocity * (1.0 if step % 2 == 0 else 0.85),
        )
        for step in range(int(beats * 2))
    ]
