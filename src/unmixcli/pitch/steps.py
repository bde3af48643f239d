"""From the frames of a network or a tracker to steps of a length that the user has chosen.

Step k has its centre at `k * step`; a track of n samples at a rate of r Hz has exactly
`1 + floor(n / (r * step))` of them. A step between two voiced frames that are at most a semitone
apart lies on the line between them, in cents, and so does its confidence. Any other step has what
the nearer frame has, so that neither onsets nor leaps are smeared.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from unmixcli.errors import UsageError
from unmixcli.pitch.f0 import F0, Floats, Lines, join_lines, no_lines

_GLIDE_CENTS = 100.0


def step_of(step_ms: float) -> Fraction:
    """The step in seconds, exact as it is written in decimals.

    Raises:
        UsageError: for one that is not from 1 to 1000 ms.
    """
    if not 1 <= step_ms <= 1000:
        raise UsageError(f"--step-ms {step_ms:g}: must be from 1 to 1000")
    return Fraction(str(step_ms)) / 1000


def step_count(samples: int, *, sample_rate: int, step_s: Fraction) -> int:
    """Steps of a track of so many samples; none of one without samples.

    >>> step_count(44100, sample_rate=44100, step_s=step_of(10))
    101
    """
    return 1 + int(samples / (sample_rate * step_s)) if samples else 0


def step_times(first: int, count: int, *, step_s: Fraction) -> Floats:
    """Centres of `count` steps in seconds, from step `first` on: `(count,)`."""
    times: Floats = np.arange(first, first + count, dtype=np.float64)
    times *= step_s.numerator
    times /= step_s.denominator
    return times


def f0_of(lines: Lines, *, first: int = 0, step_s: Fraction) -> F0:
    """The first voice of lines as a curve, whose first frame is step `first`."""
    times = step_times(first, lines.frames, step_s=step_s)
    return F0(times, lines.f0_hz[0], lines.confidence[0])


class Steps:
    """Frames in, steps out, whatever the blocks.

    Args:
        frame_s: seconds between frames, the first of which has its centre at 0.
        step_s: seconds between steps.
        voices: lines at once.
    """

    def __init__(self, frame_s: Fraction, step_s: Fraction, *, voices: int = 1) -> None:
        self._ratio = step_s / frame_s
        self._kept = no_lines(voices)
        self._first = 0
        self._given = 0

    def push(self, frames: Lines, *, steps: int) -> Lines:
        """Take frames, return the steps that lie between frames that are known.

        Args:
            frames: that follow.
            steps: of the track by now; a frame may have its centre behind the last sample.
        """
        self._kept = join_lines([self._kept, frames])
        last = self._first + self._kept.frames - 1
        # Step k lies between the frames floor(k * ratio) and the next one, which must be there.
        known = -(-last * self._ratio.denominator // self._ratio.numerator)
        return self._take(max(min(known, steps), self._given))

    def finish(self, steps: int) -> Lines:
        """Return the rest, until there have been so many; those behind the end have its value."""
        return self._take(max(steps, self._given))

    def _take(self, until: int) -> Lines:
        """The steps from the first that has not been given to before `until`."""
        if not self._kept.frames:
            return no_lines(self._kept.voices, until - self._given)
        places = np.arange(self._given, until) * self._ratio.numerator
        before, rest = np.divmod(places, self._ratio.denominator)
        lines = _between(self._kept, before - self._first, rest / self._ratio.denominator)
        self._given = until
        done = until * self._ratio.numerator // self._ratio.denominator - self._first
        done = max(0, min(done, self._kept.frames - 1))
        self._kept, self._first = self._kept.part(done), self._first + done
        return lines


def _between(frames: Lines, before: np.ndarray, share: Floats) -> Lines:
    """The lines at `share` of the way from each frame of `before` to the next."""
    last = frames.frames - 1
    left, right = np.minimum(before, last), np.minimum(before + 1, last)
    nearest = np.where(share < 0.5, left, right)
    low, high = frames.f0_hz[:, left], frames.f0_hz[:, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        leap = 1200 * np.abs(np.log2(high / low))
        between = low * (high / low) ** share
    glides = (low > 0) & (high > 0) & (leap <= _GLIDE_CENTS)
    confidence = frames.confidence[:, left] * (1 - share) + frames.confidence[:, right] * share
    return Lines(
        np.where(glides, between, frames.f0_hz[:, nearest]),
        np.where(glides, confidence, frames.confidence[:, nearest]),
    )
