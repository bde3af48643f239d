"""Convolution with an impulse response, by the Fourier transform."""

from __future__ import annotations

import torch
from torch import Tensor


def convolved(signal: Tensor, *, impulse: Tensor) -> Tensor:
    """Convolve and cut to the signal's length; what rings on after its end is lost.

    Shape: `(..., channels, samples)`, kept; the impulse `(channels or 1, taps)` or `(taps,)`.
    """
    samples = signal.shape[-1]
    # Longer by the taps, or the end would wrap round to the start.
    size = _fast_size(samples + impulse.shape[-1] - 1)
    spectrum = torch.fft.rfft(signal, size) * torch.fft.rfft(impulse.to(signal), size)
    longer: Tensor = torch.fft.irfft(spectrum, size)
    return longer[..., :samples].to(signal.dtype)


def _fast_size(least: int) -> int:
    """The smallest 2^a or 3 * 2^a that holds `least`."""
    power = 1 << max(0, least - 1).bit_length()
    return 3 * power // 4 if power >= 4 and 3 * power // 4 >= least else power
