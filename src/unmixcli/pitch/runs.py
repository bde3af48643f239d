"""Voiced runs too short to be sung are taken for mistakes, in one pass."""

from __future__ import annotations

import numpy as np

from unmixcli.pitch.f0 import Lines, join_lines, no_lines


class LongRuns:
    """Frames of one voice in and out, where runs of fewer than `shortest` frames are unvoiced.

    Trackers and networks find single frames of pitch in noise; a run has to last. Frames come out
    late by less than `shortest`.
    """

    def __init__(self, shortest: int) -> None:
        self._shortest = shortest
        self._kept = no_lines(1)
        # Frames of the run that goes on which have been given already.
        self._before = 0

    def push(self, lines: Lines) -> Lines:
        """Take `(1, frames)`, return the frames that are decided."""
        self._kept = join_lines([self._kept, lines])
        silent = np.flatnonzero(self._kept.f0_hz[0] == 0)
        frames = self._kept.frames
        open_run = frames - 1 - int(silent[-1]) if silent.size else frames
        length = open_run + (self._before if open_run == frames else 0)
        waits = open_run if length < self._shortest else 0
        return self._take(frames - waits)

    def finish(self) -> Lines:
        """Return the rest."""
        return self._take(self._kept.frames)

    def _take(self, count: int) -> Lines:
        taken, self._kept = self._kept.part(0, count), self._kept.part(count)
        voiced = taken.f0_hz[0] > 0
        edges = np.flatnonzero(np.diff(voiced, prepend=False, append=False))
        f0_hz = taken.f0_hz.copy()
        for start, stop in edges.reshape(-1, 2):
            length = stop - start + (self._before if start == 0 else 0)
            if length < self._shortest:
                f0_hz[0, start:stop] = 0.0
        if count:
            last = edges[-2] if voiced[-1] else count
            self._before = count - last + (self._before if last == 0 else 0)
        return Lines(f0_hz, taken.confidence)
