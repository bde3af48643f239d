"""Salience to the pitch of several voices: peaks that reach the threshold, linked to lines.

A voice keeps its row. From frame to frame peaks are given to the rows so that the squares of the
distances in semitones sum to the least; rows cannot cross, which keeps two voices in harmony apart
when both move at once. A row that has been silent for a while costs more than one that sounds, a
leap of more than an octave is a new voice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.pitch.decode import Indices, PitchRange, refined_hz
from unmixcli.pitch.f0 import Floats, Lines, no_lines

MOST_VOICES = 6

# Two peaks closer than this are one.
_APART_CENTS = 50.0

# In semitones: the widest leap, and what it costs to wake a row that was silent for 0.2 s.
_LEAP = 12.0
_WAKING = 7.0
_SILENT_FRAMES = 17


class VoicesDecoder:
    """Peaks of each frame, linked to lines.

    Args:
        axis: of the bins.
        within: what counts as pitch.
    """

    voices = MOST_VOICES

    def __init__(self, axis: SalienceAxis, *, within: PitchRange) -> None:
        self._axis = axis
        self._bins = within.bins(axis)
        self._threshold = within.threshold
        # Of the rows: pitch in semitones when last heard, NaN if never, and frames since.
        self._pitch = np.full(MOST_VOICES, np.nan)
        self._silent = np.zeros(MOST_VOICES, dtype=np.intp)

    def push(self, salience: npt.ArrayLike) -> Lines:
        """Take `(bins, frames)`, return as many frames, `(6, frames)`."""
        inside = np.asarray(salience, dtype=np.float64)[self._bins]
        f0_hz, level = np.zeros((2, MOST_VOICES, inside.shape[1]))
        peaks = _peaks(inside, threshold=self._threshold, axis=self._axis)
        for frame in range(inside.shape[1]):
            found = np.flatnonzero(peaks[:, frame])
            strongest = np.argsort(-inside[found, frame], kind="stable")[:MOST_VOICES]
            found = np.sort(found[strongest])
            hz = refined_hz(
                inside[:, frame : frame + 1], found[:, None], axis=self._axis,
                first_bin=self._bins.start,
            )[:, 0]  # fmt: skip
            rows = self._linked(hz)
            f0_hz[rows, frame], level[rows, frame] = hz, inside[found, frame]
        return Lines(f0_hz, np.clip(level, 0, 1))

    def finish(self) -> Lines:
        """Return nothing: no frame waits."""
        return no_lines(MOST_VOICES)

    def _linked(self, f0_hz: Floats) -> Indices:
        """The rows of rising frequencies; remembers where they are."""
        semitones = 12 * np.log2(f0_hz / self._axis.f_min_hz)
        used = np.flatnonzero(~np.isnan(self._pitch))
        used = used[np.argsort(self._pitch[used], kind="stable")]
        asleep = np.where(self._silent[used] > _SILENT_FRAMES, _WAKING**2, 0.0)
        costs = (semitones[:, None] - self._pitch[used]) ** 2 + asleep
        chosen = _cheapest(costs, alone=_LEAP**2)
        rows = np.array([used[place] if place >= 0 else -1 for place in chosen], dtype=np.intp)
        # New voices take rows never used, then those silent for longest.
        free = [row for row in range(MOST_VOICES) if row not in rows]
        free.sort(key=lambda row: (not np.isnan(self._pitch[row]), -self._silent[row]))
        for place in np.flatnonzero(rows < 0):
            rows[place] = free.pop(0)
        self._silent += 1
        self._silent[rows], self._pitch[rows] = 0, semitones
        return rows


def _peaks(salience: Floats, *, threshold: float, axis: SalienceAxis) -> npt.NDArray[np.bool_]:
    """Where a bin is the largest within 50 cents and reaches the threshold: `(bins, frames)`."""
    reach = max(1, int(_APART_CENTS * axis.bins_per_octave / 1200))
    padded = np.pad(salience, ((reach, reach), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    # Of equal ones the lowest, so that a plateau is one peak.
    first = np.argmax(windows, axis=-1) == reach
    peaks: npt.NDArray[np.bool_] = first & (salience >= threshold)
    return peaks


def _cheapest(costs: Floats, *, alone: float) -> list[int]:
    """For each row of `costs` its column, -1 for none; columns rise with rows.

    The sum of the costs is the least, where a row without a column costs `alone`.
    """
    rows, columns = costs.shape
    best = np.zeros((rows + 1, columns + 1))
    best[1:, 0] = alone * np.arange(1, rows + 1)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            best[row, column] = min(
                best[row - 1, column - 1] + costs[row - 1, column - 1],
                best[row - 1, column] + alone,
                best[row, column - 1],
            )
    chosen, column = [-1] * rows, columns
    for row in range(rows, 0, -1):
        while column and best[row, column] == best[row, column - 1]:
            column -= 1
        if column and best[row, column] == best[row - 1, column - 1] + costs[row - 1, column - 1]:
            chosen[row - 1] = column - 1
            column -= 1
    return chosen
