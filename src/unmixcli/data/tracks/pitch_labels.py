"""Pitch annotations of data sets as (time, f0): 0 Hz is unvoiced, times are frame centres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmixcli.data.tracks.model import Track
from unmixcli.errors import InputError

CSV = "f0_csv"
"""Lines of `time_s, f0_hz`; below the header of `unmix pitch`, with a third column."""

IKALA = "f0_ikala"
"""One MIDI number a line and 32 ms, without overlap; 0 is unvoiced (Chan et al. 2015)."""

MIR1K = "f0_mir1k"
"""One MIDI number a line and 20 ms, of frames of 40 ms; 0 is unvoiced (Hsu & Jang 2010)."""

_HEADER = ["time", "frequency", "confidence"]

VOICE_KINDS = (CSV, IKALA, MIR1K)
"""Kinds of annotations that hold the pitch of the voice."""


@dataclass(frozen=True)
class _Frames:
    first_s: float
    hop_s: float


_FRAMES: Mapping[str, _Frames] = {IKALA: _Frames(0.016, 0.032), MIR1K: _Frames(0.02, 0.02)}


def has_pitch(track: Track) -> bool:
    """Whether the pitch of a track's voice is written down."""
    return any(kind in track.annotations for kind in VOICE_KINDS)


def read_f0(track: Track) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The annotated pitch of a track's voice: times in s and f0 in Hz, both `(frames,)`.

    None where the track has none. Raises `InputError` for a file of another form.
    """
    kind = next((kind for kind in VOICE_KINDS if kind in track.annotations), None)
    if kind is None:
        return None
    values = _numbers(track.annotations[kind], columns=2 if kind == CSV else 1)
    if kind == CSV:
        return values[:, 0], values[:, 1]
    frames, midi = _FRAMES[kind], values[:, 0]
    times_s = frames.first_s + frames.hop_s * np.arange(len(midi), dtype=np.float64)
    f0_hz = 440.0 * np.exp2((midi - 69.0) / 12.0)
    return times_s, np.where(midi > 0, f0_hz, 0.0)


def _numbers(path: Path, *, columns: int) -> NDArray[np.float64]:
    try:
        lines = path.read_text(encoding="utf-8").replace(",", " ").split("\n")
        if lines[0].split() == _HEADER:
            lines, columns = lines[1:], len(_HEADER)
        rows = [[float(word) for word in line.split()] for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"The pitch annotation {path} cannot be read: {error}.") from error
    if not rows or any(len(row) != columns for row in rows):
        raise InputError(
            f"The pitch annotation {path} should hold {columns} number(s) a line; get a fresh copy."
        )
    return np.array(rows, np.float64)
