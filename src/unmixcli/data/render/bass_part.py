"""Bass lines: roots with fifths, octaves and passing notes, or on the kicks of the groove."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.grooves import BAR_BEATS
from unmixcli.data.render.notes import Note
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.theory import Chord, nearest_pitch

_CENTRE = 35.0
_LOWEST, _HIGHEST = 28, 52

STYLES = ("roots", "eighths", "kicks", "walking", "octaves", "fifths")


def bass_part(plan: Plan, random: np.random.Generator) -> list[Note]:
    """The notes of a song's bass, one at a time."""
    style, held = pick(random, STYLES), float(random.uniform(0.7, 0.98))
    notes: list[Note] = []
    for bar, section in plan.bars_of("bass"):
        onsets = _onsets(style, plan, bar, random)
        loudness = 0.65 + 0.25 * section.energy
        for beat, beats, tone in _tones(style, plan, bar, onsets):
            late_s = float(random.normal(0.0, 0.004))
            velocity = min(1.0, loudness * float(random.uniform(0.88, 1.1)))
            start_s = max(0.0, plan.second(bar, beat) + late_s)
            notes.append(Note(start_s, beats * plan.beat_s * held, tone, velocity))
    return notes


def _tones(
    style: str, plan: Plan, bar: int, onsets: set[float]
) -> Iterator[tuple[float, float, int]]:
    """Beat, beats and pitch of each note of a bar; every chord begins with one."""
    after = plan.bars[(bar + 1) % len(plan.bars)].chords[0][1]
    for first, beats, chord in plan.chords(bar):
        inside = sorted({first} | {beat for beat in onsets if first < beat < first + beats})
        ends = [*inside[1:], first + beats]
        for number, (beat, end) in enumerate(zip(inside, ends, strict=True)):
            tone = _tone(style, number, last=end >= BAR_BEATS, chord=chord, after=after)
            octave_up = style == "octaves" and number % 2 == 1
            yield beat, end - beat, _in_range(tone, octave_up=octave_up)


def _onsets(style: str, plan: Plan, bar: int, random: np.random.Generator) -> set[float]:
    if style == "kicks":
        kicks = {round(s.beat * 4) / 4 for s in plan.groove.bar(bar) if s.piece == "kick"}
        return {beat for beat in kicks if beat >= 0}
    if style == "roots":
        return {2.0} if chance(random, 0.4) else set()
    if style == "walking":
        return {0.0, 1.0, 2.0, 3.0}
    if style == "fifths":
        return {0.0, 1.5, 2.0, 3.5} if chance(random, 0.5) else {0.0, 2.0, 3.0}
    return {beat / 2 for beat in range(8)}


def _tone(style: str, number: int, *, last: bool, chord: Chord, after: Chord) -> int:
    """Semitones above C of the note, which need not be in the bass's range."""
    if style == "walking":
        if last and number:
            # The step below the next root leads to it.
            return after.root - 1
        return chord.root + (0, chord.intervals[1], chord.fifth, 9)[number % 4]
    if style == "fifths" and number % 2:
        return chord.root + chord.fifth
    return chord.root


def _in_range(tone: int, *, octave_up: bool) -> int:
    pitch = nearest_pitch(tone % 12, to=_CENTRE) + (12 if octave_up else 0)
    while pitch < _LOWEST:
        pitch += 12
    while pitch > _HIGHEST:
        pitch -= 12
    return pitch
