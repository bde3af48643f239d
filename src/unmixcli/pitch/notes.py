"""Curves of pitch cut into notes, in one pass.

A note is where pitch stays near its own median. It ends
- where nothing is voiced for more than 50 ms;
- where pitch is more than 0.7 semitones away from the median of the note so far, without a break
  for 120 ms. The next note begins where pitch left. Vibrato comes back sooner: even of a semitone
  to each side at 5 Hz it is on one side for no more than 100 ms.

Notes shorter than 80 ms are left out. Pitch is the median, rounded to a semitone of A4 = 440 Hz.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from unmixcli.pitch.f0 import Floats

_AWAY = 0.7
_AWAY_S = 0.12
_GAP_S = 0.05
_SHORTEST_S = 0.08

# Medians come from counts of tenths of a semitone, so that a note may last for hours.
_PARTS = 10


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes:
        start_s: centre of its first frame.
        end_s: a step behind the centre of its last one.
        pitch: MIDI number, 69 is A4.
    """

    start_s: float
    end_s: float
    pitch: int


class NoteFinder:
    """Frames of one voice in, notes that are over out; blocks of any length give the same.

    Args:
        step_s: seconds between frames.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        # Half a step of tolerance, for sums of steps that are not exact.
        self._gap = int(_GAP_S / step_s + 0.5)
        self._hold = max(1, int(_AWAY_S / step_s + 0.5))
        self._note: _Growing | None = None
        self._frame = 0

    def push(self, f0_hz: Floats) -> list[Note]:
        """Take `(frames,)` in Hz, 0 where unvoiced."""
        done: list[Note] = []
        for hz in f0_hz:
            if hz > 0:
                self._voiced(69 + 12 * float(np.log2(hz / 440)), done)
            elif self._note is not None and self._frame - self._note.last > self._gap:
                self._end(done)
            self._frame += 1
        return done

    def finish(self) -> list[Note]:
        """Return the note that still sounds."""
        done: list[Note] = []
        self._end(done)
        return done

    def _voiced(self, pitch: float, done: list[Note]) -> None:
        if self._note is None:
            self._note = _Growing(self._frame)
        note = self._note
        if abs(pitch - note.median(pitch)) <= _AWAY:
            note.take(pitch, self._frame)
            return
        note.away.append((self._frame, pitch))
        note.last = self._frame
        if len(note.away) >= self._hold:
            away = note.away
            note.away, note.last = [], note.last_near
            self._end(done)
            for frame, left in away:
                self._again(frame, left)

    def _again(self, frame: int, pitch: float) -> None:
        """Take frames that left a note into the next, which they may not leave at once."""
        if self._note is None:
            self._note = _Growing(frame)
        self._note.take(pitch, frame)

    def _end(self, done: list[Note]) -> None:
        note, self._note = self._note, None
        if note is None or not note.counts:
            return
        # What was away when the voice stopped is no note of its own.
        frames = note.last_near + 1 - note.first
        if frames * self._step_s >= _SHORTEST_S - 1e-9:
            start_s = note.first * self._step_s
            done.append(Note(start_s, start_s + frames * self._step_s, round(note.median(0.0))))


@dataclass
class _Growing:
    """A note that is not over: its frames, counts of its pitch, and what is away from it now."""

    first: int
    last: int = -1
    last_near: int = -1
    counts: Counter[int] = field(default_factory=Counter)
    away: list[tuple[int, float]] = field(default_factory=list)

    def take(self, pitch: float, frame: int) -> None:
        # What was away has come back.
        for _, before in self.away:
            self.counts[round(before * _PARTS)] += 1
        self.away = []
        self.counts[round(pitch * _PARTS)] += 1
        self.last = self.last_near = frame

    def median(self, default: float) -> float:
        half, seen = self.counts.total() / 2, 0
        for part in sorted(self.counts):
            seen += self.counts[part]
            if seen >= half:
                return part / _PARTS
        return default
