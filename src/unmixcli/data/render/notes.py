"""What players are given: notes with a pitch, and hits of a kit.

Times are seconds from the start of the song. Pitches are MIDI numbers, 69 = 440 Hz, and may lie
between two semitones. Velocities are in (0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Audio: TypeAlias = NDArray[np.float32]
"""Samples, `(samples,)` of one voice or `(2, samples)` of a part."""


@dataclass(frozen=True)
class Note:
    """A tone of an instrument or a voice."""

    start_s: float
    length_s: float
    pitch: float
    velocity: float


@dataclass(frozen=True)
class Hit:
    """A stroke on a piece of a drum kit, by the names in `pieces.PIECES`."""

    start_s: float
    piece: str
    velocity: float


def frequency_hz(pitch: float) -> float:
    """The frequency of a MIDI number.

    >>> frequency_hz(69)
    440.0
    """
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def add_at(track: Audio, sound: Audio, *, start: int) -> None:
    """Add a sound to a track from a sample on, in place; what lies outside is cut off.

    Shape: the last axis is time, the others fit together.
    """
    first, last = max(0, start), min(track.shape[-1], start + sound.shape[-1])
    if last > first:
        track[..., first:last] += sound[..., first - start : last - start]
