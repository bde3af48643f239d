"""The phaser: notches that sweep, from a chain of all-passes beside the signal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unmixcli.dsp.stft import STFTConfig, istft, stft
from unmixcli.training.augment.draw import Draw, untouched_at_zero

_CONFIG = STFTConfig(n_fft=2048, hop_samples=512)
_STAGES = 4


def phased(
    signal: Tensor, *, sample_rate: int, centres_hz: Tensor, wet: float, stages: int = _STAGES
) -> Tensor:
    """Add a chain of first-order all-passes at the amplitude `wet`, scaled to the old peak gain.

    The chain turns the phase by 90 degrees a stage at its centre frequency. It is applied to short
    spectra, each with the centre of its time, which follows slow sweeps closely.

    Shape: `(..., channels, samples)`, kept; centres `(frames,)` of frames 512 samples apart, Hz.
    """
    # Smith, "Physical Audio Signal Processing", first-order all-pass by the bilinear transform.
    tangent = torch.tan(math.pi * centres_hz.double() / sample_rate)
    pole = (tangent - 1) / (tangent + 1)
    delay = torch.exp(-1j * torch.linspace(0, math.pi, _CONFIG.bins, dtype=torch.float64))[:, None]
    chain = ((pole + delay) / (1 + pole * delay)) ** stages
    gains = ((1 + wet * chain) / (1 + abs(wet))).to(torch.complex64).to(signal.device)
    spectrum = stft(signal, config=_CONFIG) * gains
    return istft(spectrum, config=_CONFIG, samples=signal.shape[-1])


@untouched_at_zero
def phaser(signal: Tensor, draw: Draw) -> Tensor:
    """Sweep two notches about 300 to 2000 Hz, an octave either way, at 0.1 to 1 Hz.

    Shape: `(..., channels, samples)`, kept.
    """
    frames = torch.arange(_CONFIG.frames(signal.shape[-1]), dtype=torch.float64)
    time_s = frames * _CONFIG.hop_samples / draw.sample_rate
    middle_hz = min(draw.log_uniform(300.0, 2000.0), 0.2 * draw.sample_rate)
    phase = 2 * math.pi * (draw.log_uniform(0.1, 1.0) * time_s + draw.uniform())
    return phased(
        signal,
        sample_rate=draw.sample_rate,
        centres_hz=middle_hz * 2 ** torch.sin(phase),
        wet=draw.strength * draw.uniform(0.4, 1.0),
    )
