"""The axis of pitch salience: how strongly each pitch sounds, on bins that are equal in cents.

Five bins a semitone over six octaves from C1 is the axis of Deep Salience (Bittner et al. 2017),
and so of Jansson's joint models (thesis, ch. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SalienceAxis:
    """Bins that are equal in cents.

    Attributes:
        f_min_hz: of bin 0.
        bins_per_octave: 60 are 20 cents each.
        bins: how many.

    >>> axis = SalienceAxis()
    >>> axis.bins, round(float(axis.bin_of(440.0)), 2)
    (360, 225.01)
    """

    f_min_hz: float = 32.7
    bins_per_octave: int = 60
    bins: int = 360

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.f_min_hz <= 0 or min(self.bins_per_octave, self.bins) < 1:
            raise ValueError("f_min_hz must be above 0, bins_per_octave and bins at least 1")

    @property
    def frequencies(self) -> Floats:
        """Of the bins, in Hz: `(bins,)`."""
        return self.frequency_of(np.arange(self.bins, dtype=np.float64))

    def frequency_of(self, position: npt.ArrayLike) -> Floats:
        """Hz at positions in bins, which may lie between two."""
        places = np.asarray(position, dtype=np.float64)
        frequencies: Floats = self.f_min_hz * 2 ** (places / self.bins_per_octave)
        return frequencies

    def bin_of(self, frequency_hz: npt.ArrayLike) -> Floats:
        """Positions in bins of frequencies above 0; those off the axis lie outside 0..bins-1."""
        frequencies = np.asarray(frequency_hz, dtype=np.float64)
        places: Floats = self.bins_per_octave * np.log2(frequencies / self.f_min_hz)
        return places
