"""The axis of pitch salience: how strongly each pitch sounds, on bins that are equal in cents.

Five bins a semitone over six octaves from C1 is the axis of Deep Salience (Bittner et al. 2017),
and so of Jansson's joint models (thesis, ch. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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


def to_log(
    axis: SalienceAxis, *, bins: int, sample_rate: int, n_fft: int, harmonic: float = 1.0
) -> Tensor:
    """The map from the bins of a transform to an axis of salience.

    Bilinear: each row weighs the two bins around its frequency. Where the rows lie further apart
    than the bins, it weighs all within one row's distance by a triangle, so that none is skipped.

    Args:
        axis: whose frequencies times `harmonic` are looked up.
        bins: of the transform, the first at 0 Hz.
        sample_rate: Hz.
        n_fft: length of the transform.
        harmonic: 2 reads the octave above each pitch.

    Returns:
        `(axis.bins, bins)` float32; rows sum to 1, or are 0 where the transform does not reach.

    >>> axis = SalienceAxis(f_min_hz=100.0, bins_per_octave=12, bins=2)
    >>> to_log(axis, bins=4, sample_rate=800, n_fft=8)
    tensor([[0.0000, 1.0000, 0.0000, 0.0000],
            [0.0000, 0.9405, 0.0595, 0.0000]])
    """
    places = axis.frequencies * harmonic * n_fft / sample_rate
    steps = places * np.log(2) / axis.bins_per_octave
    return _triangles(places, columns=bins, half_widths=np.maximum(1.0, steps))


def to_linear(
    axis: SalienceAxis, *, bins: int, sample_rate: int, n_fft: int, harmonic: float = 1.0
) -> Tensor:
    """The map from an axis of salience to the bins of a transform.

    Bilinear as `to_log`: at low pitches, where many bins of the axis lie between two of the
    transform, a row is a mean of those around it, so that a narrow peak is weaker but not lost.

    Args:
        axis: of what is mapped.
        bins: of the transform, the first at 0 Hz.
        sample_rate: Hz.
        n_fft: length of the transform.
        harmonic: 2 puts each pitch on its octave.

    Returns:
        `(bins, axis.bins)` float32; rows sum to 1, or are 0 for frequencies that are off the axis.
    """
    # 0 Hz lies at minus infinity; a thousandth of a bin is off the axis as well.
    numbers = np.maximum(np.arange(bins, dtype=np.float64), 1e-3)
    places = axis.bin_of(numbers * sample_rate / n_fft / harmonic)
    steps = axis.bins_per_octave / (numbers * np.log(2))
    return _triangles(places, columns=axis.bins, half_widths=np.maximum(1.0, steps))


def salience_targets(
    f0_hz: Tensor | Floats, *, axis: SalienceAxis, sigma_bins: float = 1.0
) -> Tensor:
    """Salience of known pitches: a Gaussian about each, the largest where they overlap.

    Its height is 1 at the pitch itself, which may lie between two bins (Deep Salience rounds to
    the next one and blurs with 1 bin).

    Args:
        f0_hz: pitches in Hz; 0, less and NaN is none.
        axis: of the bins.
        sigma_bins: standard deviation of the Gaussian.

    Shape:
        - f0_hz: `(lines, frames)`
        - result: `(bins, frames)` float32 in 0..1
    """
    lines = torch.as_tensor(f0_hz, dtype=torch.float64).nan_to_num(0.0)
    bins = torch.arange(axis.bins, dtype=torch.float64, device=lines.device)[:, None]
    targets = torch.zeros((axis.bins, lines.shape[-1]), device=lines.device)
    for line in lines:
        places = axis.bins_per_octave * torch.log2(line.clamp(min=0) / axis.f_min_hz)
        # Without a pitch the place is at minus infinity, and the Gaussian 0.
        blurred = torch.exp(-0.5 * ((bins - places) / sigma_bins) ** 2)
        targets = torch.maximum(targets, blurred.float())
    return targets


def _triangles(places: Floats, *, columns: int, half_widths: Floats) -> Tensor:
    """Rows of weights that fall from their places to 0 at half a width: `(places, columns)`."""
    distances = np.abs(np.arange(columns) - places[:, None])
    weights = np.maximum(0.0, 1.0 - distances / half_widths[:, None])
    outside = (places < 0) | (places > columns - 1)
    weights[outside] = 0.0
    sums = np.where(outside, 1.0, weights.sum(axis=1))
    return torch.from_numpy((weights / sums[:, None]).astype(np.float32))
