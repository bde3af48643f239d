"""The tune: sung, or played by an instrument where nobody sings."""

from __future__ import annotations

import numpy as np

from unmixcli.data.render.chance import chance
from unmixcli.data.render.notes import Note
from unmixcli.data.render.plan import Plan

_SHORTEST_S = 0.05


def melody_part(plan: Plan, random: np.random.Generator, *, player: str, near: float) -> list[Note]:
    """The written melody in the sections of a player, in the octave about a pitch.

    Notes do not overlap: one lasts until the next at most.
    """
    pitches = [note.pitch for bar in plan.bars for note in bar.melody]
    if not pitches:
        return []
    shift = 12 * round((near - float(np.median(pitches))) / 12)
    notes: list[Note] = []
    for bar, section in plan.bars_of(player):
        for note in plan.bars[bar].melody:
            velocity = (0.6 + 0.25 * section.energy) * float(random.uniform(0.85, 1.1))
            start = plan.second(bar, note.beat)
            length = note.beats * plan.beat_s
            if start + length < plan.length_s and not _skipped(random, player):
                notes.append(Note(start, length, note.pitch + shift, min(1.0, velocity)))
    return _one_at_a_time(notes)


def _skipped(random: np.random.Generator, player: str) -> bool:
    """An instrument leaves some of the tune out."""
    return player == "lead" and chance(random, 0.15)


def _one_at_a_time(notes: list[Note]) -> list[Note]:
    kept: list[Note] = []
    for note in notes:
        if kept:
            last = kept[-1]
            length = min(last.length_s, note.start_s - last.start_s)
            kept[-1] = Note(last.start_s, length, last.pitch, last.velocity)
        kept.append(note)
    return [note for note in kept if note.length_s >= _SHORTEST_S]
