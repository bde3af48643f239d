"""The pitch of a voice over time: curves that are known, and what becomes of them in a song.

The annotation of `NAME.flac` is `NAME_f0.csv` beside it, lines of `time_s,f0_hz` with 0 Hz where
nothing is voiced, as `vocals_f0.csv` is written and as vocadito is annotated.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmixcli.errors import InputError

POINT_S = 0.005
# Points further apart than this have something unvoiced between them that is not written down.
_WIDEST_GAP_S = 0.05


@dataclass(frozen=True)
class PitchCurve:
    """Known pitch: rising times in s and f0 in Hz, 0 where nothing is voiced, `(frames,)` each."""

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The f0 in Hz at other times; shape as given.

        Between two voiced points it is straight on the scale of semitones, between a voiced and
        an unvoiced one that of the nearer, and 0 before, after and within gaps.
        """
        if len(self.times_s) < 2:
            return np.zeros_like(times_s)
        after = np.clip(np.searchsorted(self.times_s, times_s), 1, len(self.times_s) - 1)
        before = after - 1
        gap = self.times_s[after] - self.times_s[before]
        share = (times_s - self.times_s[before]) / gap
        low, high = self.f0_hz[before], self.f0_hz[after]
        with np.errstate(divide="ignore", invalid="ignore"):
            between = np.exp2((1 - share) * np.log2(low) + share * np.log2(high))
        f0_hz = np.where((low > 0) & (high > 0), between, np.where(share < 0.5, low, high))
        inside = (share >= 0) & (share <= 1) & (gap <= _WIDEST_GAP_S)
        return np.where(inside, f0_hz, 0.0)

    def from_second(self, start_s: float) -> PitchCurve:
        """The curve with its times counted from a moment."""
        return PitchCurve(self.times_s - start_s, self.f0_hz)

    def resampled(self, semitones: float) -> PitchCurve:
        """The curve of a sound that is so much higher and as much shorter, as with a tape."""
        ratio = 2.0 ** (semitones / 12.0)
        return PitchCurve(self.times_s / ratio, self.f0_hz * ratio)


def pitch_file(audio: Path) -> Path:
    """Where the annotation of a recording lies, if there is one."""
    return audio.with_name(f"{audio.stem}_f0.csv")


@functools.lru_cache(maxsize=64)
def read_curve(path: Path) -> PitchCurve | None:
    """The curve in a file; None where there is no such file.

    The arrays are shared between callers: do not write to them. Raises `InputError` for a file of
    another form.
    """
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
        rows = np.array([line.split() for line in lines if line.strip()], np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"The pitch annotation {path} cannot be read: {error}.") from error
    if rows.ndim != 2 or rows.shape[1] != 2 or not _is_curve(rows):
        raise InputError(
            f"The pitch annotation {path} should hold a rising time in s and an f0 in Hz a line; "
            "mend it or take it away."
        )
    rows.setflags(write=False)
    return PitchCurve(rows[:, 0], rows[:, 1])


def _is_curve(rows: NDArray[np.float64]) -> bool:
    finite = bool(np.isfinite(rows).all())
    return finite and bool(np.all(np.diff(rows[:, 0]) > 0) and np.all(rows[:, 1] >= 0))
