"""Equalisation by shelves and peaks: the biquads of R. Bristow-Johnson's Audio EQ Cookbook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unmixcli.training.augment.draw import Draw, untouched_at_zero

_GAIN_DB = 12.0
_PEAKS = 3
# What is appended before the transform, so that filters ring out there and not at the start.
_RING_S = 0.5


@dataclass(frozen=True)
class Band:
    """One filter.

    Attributes:
        kind: shelf below or above the frequency, or a peak at it.
        frequency_hz: middle of the shelf's slope, or of the peak.
        gain_db: far out on the shelf, or at the peak.
        q: quality; 0.707 is the steepest shelf without a bump.
    """

    kind: Literal["low_shelf", "peak", "high_shelf"]
    frequency_hz: float
    gain_db: float
    q: float = math.sqrt(0.5)


def coefficients(band: Band, *, sample_rate: int) -> tuple[list[float], list[float]]:
    """Numerator and denominator in powers of 1/z: three numbers each."""
    angle = 2 * math.pi * band.frequency_hz / sample_rate
    if not 0 < angle < math.pi:
        raise ValueError(
            f"frequency_hz must lie between 0 and {sample_rate / 2}, not {band.frequency_hz}"
        )
    amplitude = 10 ** (band.gain_db / 40)
    slope = math.sin(angle) / (2 * band.q)
    cosine = math.cos(angle)
    if band.kind == "peak":
        up, down = slope * amplitude, slope / amplitude
        return [1 + up, -2 * cosine, 1 - up], [1 + down, -2 * cosine, 1 - down]
    return _shelf(amplitude, slope, cosine if band.kind == "low_shelf" else -cosine, band.kind)


def _shelf(
    amplitude: float, slope: float, cosine: float, kind: str
) -> tuple[list[float], list[float]]:
    # A high shelf is the low one with z for -z: cosine and the middle terms change their signs.
    sign = 1 if kind == "low_shelf" else -1
    more, less, bend = amplitude + 1, amplitude - 1, 2 * math.sqrt(amplitude) * slope
    numerator = [
        amplitude * (more - less * cosine + bend),
        amplitude * sign * 2 * (less - more * cosine),
        amplitude * (more - less * cosine - bend),
    ]
    denominator = [
        more + less * cosine + bend,
        sign * -2 * (less + more * cosine),
        more + less * cosine - bend,
    ]
    return numerator, denominator


def response(bands: Sequence[Band], *, sample_rate: int, bins: int) -> Tensor:
    """The product of all bands at `bins` frequencies from 0 to half the rate: complex128."""
    step = torch.exp(-1j * torch.linspace(0, math.pi, bins, dtype=torch.float64))
    powers = torch.stack((torch.ones_like(step), step, step.square()))
    total = torch.ones_like(step)
    for band in bands:
        pair = coefficients(band, sample_rate=sample_rate)
        above, below = (
            (torch.tensor(row, dtype=torch.complex128)[:, None] * powers).sum(0) for row in pair
        )
        total = total * above / below
    return total


def filtered(signal: Tensor, *, bands: Sequence[Band], sample_rate: int) -> Tensor:
    """Filter by multiplication of the spectrum.

    Shape: `(..., channels, samples)`, kept.
    """
    samples = signal.shape[-1]
    size = samples + round(_RING_S * sample_rate)
    size += size % 2
    gains = response(bands, sample_rate=sample_rate, bins=size // 2 + 1)
    spectrum = torch.fft.rfft(signal, size) * gains.to(torch.complex64).to(signal.device)
    longer: Tensor = torch.fft.irfft(spectrum, size)
    return longer[..., :samples].to(signal.dtype)


@untouched_at_zero
def equalisation(signal: Tensor, draw: Draw) -> Tensor:
    """Filter by a low shelf, three peaks and a high shelf of up to 12 dB either way.

    Shape: `(..., channels, samples)`, kept.
    """
    top_hz = 0.45 * draw.sample_rate
    shelves = (
        Band("low_shelf", draw.log_uniform(60, 400), draw.either_way(_GAIN_DB)),
        Band("high_shelf", min(draw.log_uniform(2000, 10000), top_hz), draw.either_way(_GAIN_DB)),
    )
    peaks = tuple(
        Band(
            "peak",
            min(draw.log_uniform(100, 8000), top_hz),
            draw.either_way(_GAIN_DB),
            draw.log_uniform(0.5, 3.0),
        )
        for _ in range(_PEAKS)
    )
    return filtered(signal, bands=(*shelves, *peaks), sample_rate=draw.sample_rate)
