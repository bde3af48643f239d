"""Salience to pitch, frame by frame: where it is largest, and voiced if that is large enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.errors import UsageError
from unmixcli.pitch.f0 import Floats, Lines

# CREPE's window (Kim et al., 2018): four bins of 20 cents on each side.
_REACH_CENTS = 80.0

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class PitchRange:
    """What counts as pitch.

    Attributes:
        threshold: a salience from which a frame is voiced; 0.4 is that of Jansson's models
            (thesis, ch. 5).
        f_min_hz: None takes the axis' own.
        f_max_hz: None takes the axis' own.
    """

    threshold: float = 0.4
    f_min_hz: float | None = None
    f_max_hz: float | None = None

    def bins(self, axis: SalienceAxis) -> slice:
        """The bins whose centres lie in the range.

        Raises:
            UsageError: if there is none.
        """
        low = axis.frequencies[0] if self.f_min_hz is None else self.f_min_hz
        high = axis.frequencies[-1] if self.f_max_hz is None else self.f_max_hz
        # A hair, for the frequency of a bin's own centre.
        first = max(0, int(np.ceil(axis.bin_of(low) - 1e-6)))
        stop = min(axis.bins, int(np.floor(axis.bin_of(high) + 1e-6)) + 1)
        if stop <= first:
            lowest, highest = axis.frequencies[[0, -1]]
            raise UsageError(
                f"--fmin {low:g} --fmax {high:g}: no bin of the salience lies between them; "
                f"it reaches from {lowest:.4g} to {highest:.4g} Hz"
            )
        return slice(first, stop)


class Decoder(Protocol):
    """Salience in, lines of pitch out, frame for frame; some may come later than they went in.

    Attributes:
        voices: lines that come out.
    """

    voices: int

    def push(self, salience: npt.ArrayLike) -> Lines:
        """Take `(bins, frames)`, return the frames that are decided."""

    def finish(self) -> Lines:
        """Return the rest."""


class PeakDecoder:
    """Each frame by itself: the largest bin is the pitch, if it reaches the threshold.

    Args:
        axis: of the bins.
        within: what counts as pitch.
    """

    voices = 1

    def __init__(self, axis: SalienceAxis, *, within: PitchRange) -> None:
        self._axis = axis
        self._bins = within.bins(axis)
        self._threshold = within.threshold

    def push(self, salience: npt.ArrayLike) -> Lines:
        """Take `(bins, frames)`, return as many frames."""
        inside = np.asarray(salience, dtype=np.float64)[self._bins]
        peaks = np.argmax(inside, axis=0)
        level = np.take_along_axis(inside, peaks[None], axis=0)
        f0_hz = refined_hz(inside, peaks[None], axis=self._axis, first_bin=self._bins.start)
        return Lines(np.where(level >= self._threshold, f0_hz, 0.0), np.clip(level, 0, 1))

    def finish(self) -> Lines:
        """Return nothing: no frame waits."""
        return Lines(np.zeros((1, 0)), np.zeros((1, 0)))


def refined_hz(
    salience: Floats, peaks: Indices, *, axis: SalienceAxis, first_bin: int = 0
) -> Floats:
    """The frequency at peaks, finer than a bin.

    With s the salience and p the peak it is that of the place `sum(s[b] * b) / sum(s[b])` over
    the bins b from p - reach to p + reach, where reach is 80 cents, as CREPE does it
    (Kim et al., 2018). At the ends of the axis both sides lose as many bins, so that a peak
    there is not pulled inwards.

    Args:
        salience: `(bins, frames)`.
        peaks: rows of it, `(voices, frames)`.
        axis: of the bins.
        first_bin: of the axis, that row 0 is.

    Returns:
        Hz, `(voices, frames)`.
    """
    bins, frames = salience.shape
    reach = round(_REACH_CENTS * axis.bins_per_octave / 1200)
    offsets = np.arange(-reach, reach + 1)[:, None, None]
    room = np.minimum(peaks, bins - 1 - peaks)
    # Bins that a frame has not are counted with no weight.
    places = np.clip(peaks[None] + offsets, 0, bins - 1)
    weights = salience[places, np.arange(frames)[None, None, :]] * (np.abs(offsets) <= room[None])
    total = weights.sum(axis=0)
    shift = np.divide((weights * offsets).sum(axis=0), total, out=np.zeros_like(total),
                      where=total > 0)  # fmt: skip
    return axis.frequency_of(first_bin + peaks + shift)
