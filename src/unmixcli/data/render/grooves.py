"""What drummers played, out of MIDI files: strokes in quarter notes from the first bar."""

from __future__ import annotations

import importlib
import io
import re
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from unmixcli.data.render.chance import chance
from unmixcli.data.render.pieces import piece_of_midi
from unmixcli.errors import ResourceError

BAR_BEATS = 4
_DEFAULT_TEMPO_US = 500_000


@dataclass(frozen=True)
class Stroke:
    """A stroke, in quarter notes from the start."""

    beat: float
    piece: str
    velocity: float


@dataclass(frozen=True)
class Groove:
    """A performance: its whole bars and the tempo that it was played at, in beats a minute."""

    name: str
    tempo_bpm: float
    bars: int
    strokes: tuple[Stroke, ...]

    def bar(self, number: int) -> tuple[Stroke, ...]:
        """The strokes of a bar, counted round, in quarters from the start of that bar."""
        first = BAR_BEATS * (number % self.bars)
        inside = (s for s in self.strokes if first <= s.beat + 0.06 < first + BAR_BEATS)
        return tuple(Stroke(s.beat - first, s.piece, s.velocity) for s in inside)


def read_groove(content: bytes, *, name: str) -> Groove | None:
    """The performance in a MIDI file's bytes; None where it is shorter than a bar or damaged.

    The tempo is the file's own. Raises `ResourceError` where mido is not installed.
    """
    mido = load_mido()
    try:
        file = mido.MidiFile(file=io.BytesIO(content))
        messages = list(mido.merge_tracks(file.tracks))
    except (OSError, EOFError, ValueError, IndexError, KeyError):
        return None
    tempo_us, ticks = _DEFAULT_TEMPO_US, 0
    strokes: list[Stroke] = []
    for message in messages:
        ticks += message.time
        if message.type == "set_tempo":
            tempo_us = message.tempo
        elif message.type == "note_on" and message.velocity > 0:
            piece = piece_of_midi(message.note)
            if piece is not None:
                beat = ticks / file.ticks_per_beat
                strokes.append(Stroke(beat, piece, message.velocity / 127))
    if not strokes:
        return None
    bars = max(1, round((strokes[-1].beat + 0.5) / BAR_BEATS))
    return Groove(name, 60e6 / tempo_us, bars, tuple(strokes))


def is_fill(name: str) -> bool:
    """Whether a file's name says that it holds a fill, not a beat."""
    return "fill" in name.lower()


def is_four_four(name: str) -> bool:
    """Whether a file's name says four-four time, or nothing about it."""
    return re.search(r"(?<!\d)(3-4|6-8|5-4|5-8|7-8|9-8|12-8)(?!\d)", name) is None


def made_up_groove(random: np.random.Generator) -> Groove:
    """A machine's pattern of one bar: kick, snare on two and four, eighths on the hat."""
    four = chance(random, 0.5)
    kicks = (0.0, 1.0, 2.0, 3.0) if four else (0.0, 1.5 if chance(random, 0.5) else 0.75, 2.0)
    hats = np.arange(0.0, 4.0, 0.25 if chance(random, 0.3) else 0.5)
    strokes = [Stroke(beat, "kick", 0.9) for beat in kicks]
    strokes += [Stroke(beat, "snare", 0.85) for beat in (1.0, 3.0)]
    strokes += [Stroke(float(b), "hat_closed", 0.7 if b % 1 == 0 else 0.45) for b in hats]
    strokes.sort(key=lambda stroke: (stroke.beat, stroke.piece))
    return Groove("made up", float(random.uniform(84, 132)), 1, tuple(strokes))


def load_mido() -> ModuleType:
    """The library mido, on first use; `ResourceError` where it is not installed."""
    try:
        return importlib.import_module("mido")
    except ImportError as missing:
        raise ResourceError(
            "MIDI files are read and written with mido, which is missing: type pip install mido"
        ) from missing
