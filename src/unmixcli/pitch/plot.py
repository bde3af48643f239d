"""Salience as a picture, with the pitch that was found drawn over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from unmixcli.dsp.pictures import Columns
from unmixcli.pitch.f0 import Floats, Lines

# What people sing, drawn where there is no salience to say more: C2 to C6, and a little beyond,
# lest a voice lies on the edge.
_LOWEST_HZ, _HIGHEST_HZ = 63.5, 1077.0

_LEAP_SEMITONES = 3.0

_A4_HZ = 440.0
_A4_NUMBER = 69
_NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


class PitchPlot:
    """Collects what is drawn: 8 bytes a voice and step, and two thousand columns of salience.

    Args:
        step_s: seconds between steps of pitch.
        frame_s: seconds between frames of salience.
        frequencies: of its bins, Hz; None where there is no salience.
    """

    def __init__(self, *, step_s: float, frame_s: float, frequencies: Floats | None = None) -> None:
        self._step_s = step_s
        self._frame_s = frame_s
        self._frequencies = frequencies
        self._f0_hz: list[Floats] = []
        self._columns = Columns()

    def push(self, lines: Lines, salience: npt.NDArray[np.float32] | None) -> None:
        """Take steps of pitch, and `(bins, frames)`."""
        # Copies, for a part would hold the confidence and the whole block too.
        self._f0_hz.append(lines.f0_hz.copy())
        if salience is not None:
            self._columns.push(torch.from_numpy(salience))

    def write(self, path: Path) -> None:
        """Draw the picture as PNG; `path` is replaced."""
        # Not pyplot, which keeps figures of its own and looks for a screen.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12, 5), layout="constrained")
        axes = figure.subplots()
        f0_hz = np.concatenate(self._f0_hz, axis=1)
        times: Floats = np.arange(f0_hz.shape[1], dtype=np.float64) * self._step_s
        axes.set(xlabel="s", yscale="log", xlim=(0.0, max(times[-1:], default=1.0)))
        self._draw_salience(axes)
        for voice in f0_hz:
            axes.plot(*pen_strokes(times, voice), ".-", color="cyan", linewidth=1, markersize=1)
        low, high = self._range(f0_hz[f0_hz > 0])
        axes.set_ylim(low, high)
        _name_notes(axes, low, high)
        figure.savefig(path, format="png", dpi=120)

    def _range(self, voiced: Floats) -> tuple[float, float]:
        """The lowest and the highest frequency that is drawn, Hz."""
        if self._frequencies is not None:
            return float(self._frequencies[0]), float(self._frequencies[-1])
        lowest, highest = voiced.min(initial=_LOWEST_HZ), voiced.max(initial=_HIGHEST_HZ)
        return float(lowest), float(highest)

    def _draw_salience(self, axes: Any) -> None:
        if self._frequencies is None:
            return
        image = self._columns.finish().numpy()
        if not image.shape[1]:
            return
        times = np.arange(image.shape[1]) * self._columns.width * self._frame_s
        axes.pcolormesh(times, self._frequencies, image, cmap="magma", vmin=0, vmax=1)


def pen_strokes(times_s: Floats, f0_hz: Floats) -> tuple[Floats, Floats]:
    """What is drawn of a voice: NaN where it is silent, and between two steps a leap apart.

    A leap is more than three semitones from one step to the next. Shape: `(steps,)` each; what
    comes back is longer by the leaps.
    """
    drawn: Floats = np.where(f0_hz > 0, f0_hz, np.nan)
    leaps = 1 + np.flatnonzero(np.abs(12 * np.diff(np.log2(drawn))) > _LEAP_SEMITONES)
    return np.insert(times_s, leaps, times_s[leaps]), np.insert(drawn, leaps, np.nan)


def note_ticks(low_hz: float, high_hz: float) -> dict[float, str]:
    """Frequencies of notes in a range, and their names with Hz, at A4 = 440 Hz.

    They are the Cs of the range; where there are fewer than two, all its notes.
    """
    first, last = np.ceil(_note_number(low_hz)), np.floor(_note_number(high_hz))
    numbers = range(int(first), int(last) + 1)
    octaves = [number for number in numbers if number % 12 == 0]
    chosen = octaves if len(octaves) > 1 else numbers
    return {_note_hz(number): _note_name(number) for number in chosen}


def _name_notes(axes: Any, low_hz: float, high_hz: float) -> None:
    """Octaves with names and lines, every other semitone with a short mark."""
    ticks = note_ticks(low_hz, high_hz)
    axes.set_yticks(list(ticks), labels=list(ticks.values()))
    first, last = int(np.ceil(_note_number(low_hz))), int(_note_number(high_hz))
    axes.set_yticks([_note_hz(n) for n in range(first, last + 1)], labels=[], minor=True)
    axes.grid(axis="y", color="grey", alpha=0.4, linewidth=0.5)


def _note_number(hz: float) -> float:
    """As MIDI counts semitones."""
    return float(_A4_NUMBER + 12 * np.log2(hz / _A4_HZ))


def _note_hz(number: int) -> float:
    return float(_A4_HZ * 2 ** ((number - _A4_NUMBER) / 12))


def _note_name(number: int) -> str:
    octave, step = divmod(number, 12)
    return f"{_NOTES[step]}{octave - 1}  {_note_hz(number):.0f} Hz"
