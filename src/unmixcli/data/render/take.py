"""What comes from a player: sound before the mix, what it was made of, its pitch if known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from unmixcli.data.render.chance import pick_weighted
from unmixcli.data.render.notes import Audio
from unmixcli.data.render.pitch_curve import PitchCurve
from unmixcli.data.render.source import FileSet

Kind = TypeVar("Kind")

SYNTHESIS = "synthesis"
"""What sounds are named that no recording was needed for."""


@dataclass(frozen=True)
class Take:
    """A stem before the mix.

    Attributes:
        sound: `(2, samples)`, at any level.
        sources: names of what it was made with: folders below the source, `soundfont/NAME` or
            "synthesis".
        pitch: where there is one voice whose pitch is exactly known.
    """

    sound: Audio
    sources: tuple[str, ...]
    pitch: PitchCurve | None = None


@dataclass(frozen=True)
class Length:
    """The size of every stem of a song."""

    samples: int
    sample_rate: int

    def silence(self) -> Audio:
        """Nothing, `(2, samples)`."""
        return np.zeros((2, self.samples), np.float32)


def pick_set(
    random: np.random.Generator, sets: tuple[FileSet, ...], *, most: int = 1000
) -> FileSet:
    """One of several sets; larger ones come more often, by the square root of their size.

    Files beyond `most` do not count.
    """
    weights = [(files, float(np.sqrt(min(len(files.files), most)))) for files in sets]
    return pick_weighted(random, weights)


def level_of(sound: Audio) -> float:
    """Root mean square of the parts that are not silent, linear; 0 for silence."""
    blocks = sound[:, : sound.shape[1] // 4096 * 4096].reshape(2, -1, 4096)
    power = np.mean(blocks.astype(np.float64) ** 2, axis=(0, 2))
    loud = power[power > 1e-3 * power.max(initial=0.0)]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0


def at_level(sound: Audio, level: float) -> Audio:
    """The sound scaled to a level as `level_of` measures it; silence stays silence."""
    now = level_of(sound)
    return sound * np.float32(level / now) if now > 0 else sound
