"""Curves of pitch: a time, a fundamental frequency in Hz and a confidence in 0..1 for each frame.

A frequency of 0 Hz says that the frame is unvoiced; times are the frames' centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lines:
    """Pitch of one or several voices in the same frames.

    Attributes:
        f0_hz: `(voices, frames)`, 0 where a voice is silent.
        confidence: `(voices, frames)`, in 0..1.
    """

    f0_hz: Floats
    confidence: Floats

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.f0_hz.ndim != 2 or self.f0_hz.shape != self.confidence.shape:
            raise ValueError(
                "f0_hz and confidence must both be (voices, frames), "
                f"not {self.f0_hz.shape} and {self.confidence.shape}"
            )

    @property
    def voices(self) -> int:
        """How many."""
        return len(self.f0_hz)

    @property
    def frames(self) -> int:
        """How many."""
        return int(self.f0_hz.shape[1])

    def part(self, start: int, stop: int | None = None) -> Lines:
        """The frames from `start` to before `stop`."""
        return Lines(self.f0_hz[:, start:stop], self.confidence[:, start:stop])


@dataclass(frozen=True)
class F0:
    """Pitch of one voice: three arrays of `(frames,)`.

    Attributes:
        times_s: the frames' centres.
        f0_hz: 0 where the frame is unvoiced.
        confidence: in 0..1; what it means is said by what found the pitch.
    """

    times_s: Floats
    f0_hz: Floats
    confidence: Floats

    def __post_init__(self) -> None:
        """Check the shapes."""
        shapes = {self.times_s.shape, self.f0_hz.shape, self.confidence.shape}
        if len(shapes) > 1 or self.times_s.ndim != 1:
            raise ValueError(f"times_s, f0_hz and confidence must be of one length, not {shapes}")

    def __len__(self) -> int:
        """Frames."""
        return len(self.times_s)

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Where there is pitch: `(frames,)`."""
        return self.f0_hz > 0


@dataclass(frozen=True)
class Voices:
    """Pitch of several voices; which row a voice has says nothing but that it keeps it.

    Attributes:
        times_s: the frames' centres, `(frames,)`.
        f0_hz: `(voices, frames)`, 0 where a voice is silent.
        confidence: `(voices, frames)`, in 0..1.
    """

    times_s: Floats
    f0_hz: Floats
    confidence: Floats

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.f0_hz.shape != (len(self.f0_hz), *self.times_s.shape):
            raise ValueError(f"{self.times_s.shape} times for f0_hz of {self.f0_hz.shape}")
        if self.f0_hz.shape != self.confidence.shape:
            raise ValueError(
                f"f0_hz and confidence differ: {self.f0_hz.shape}, {self.confidence.shape}"
            )

    def ragged(self) -> list[Floats]:
        """The frequencies that sound in each frame, as `metrics.melody.multi_f0` takes them."""
        return [frame[frame > 0] for frame in self.f0_hz.T]


def no_lines(voices: int, frames: int = 0) -> Lines:
    """Voices that are silent in every frame."""
    return Lines(np.zeros((voices, frames)), np.zeros((voices, frames)))


def join_lines(parts: Sequence[Lines]) -> Lines:
    """Parts of the same voices, one after the other."""
    return Lines(
        np.concatenate([part.f0_hz for part in parts], axis=1),
        np.concatenate([part.confidence for part in parts], axis=1),
    )
