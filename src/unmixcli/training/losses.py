"""What training minimises: one value for each estimate and target.

Waveforms are `(batch, stems, channels, samples)`, spectra `(batch, stems, channels, bins, frames)`
complex or their magnitudes, which alone count. Every loss gives one value per (batch, stem), so
that stems which a track does not know can be left out of the mean. Mean squares are of samples at
full scale 1; magnitudes are those of an unscaled Fourier transform. Values and gradients are
finite for silence on either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from unmixcli.dsp.stft import STFTConfig

# Mean square at which a waveform counts as silent: -100 dB of full scale.
_SILENCE = 1e-10
# Mean square of an estimate that costs half of what a loud one costs where silence is wanted:
# -60 dB of full scale.
_AUDIBLE = 1e-6
# Ratio that bounds SI-SDR to 80 dB either way.
_RATIO = 1e-8
# Added to magnitudes before a logarithm: noise at -86 dB of full scale in 1024 Hann samples.
_MAGNITUDE = 1e-3


# Yamamoto, Song and Kim 2020 ("Parallel WaveGAN"), table 1.
_RESOLUTIONS = (
    STFTConfig(n_fft=1024, hop_samples=120, window_samples=600),
    STFTConfig(n_fft=2048, hop_samples=240, window_samples=1200),
    STFTConfig(n_fft=512, hop_samples=50, window_samples=240),
)

LossFunction = Callable[[Tensor, Tensor], Tensor]


def l1_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of magnitudes.

    Shape: two `(batch, stems, channels, bins, frames)` complex to `(batch, stems)`.
    """
    return _mean((magnitudes(estimate) - magnitudes(target)).abs())


def l2_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of magnitudes.

    Shape: two `(batch, stems, channels, bins, frames)` complex to `(batch, stems)`.
    """
    return _mean((magnitudes(estimate) - magnitudes(target)).square())


def log_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of `log(magnitude + 0.001)`, in nepers.

    Shape: two `(batch, stems, channels, bins, frames)` complex to `(batch, stems)`.
    """
    return _mean((_log(magnitudes(estimate)) - _log(magnitudes(target))).abs())


def kl_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean generalised Kullback-Leibler divergence of magnitudes, `y log(y / x) - y + x`.

    It is zero for equal magnitudes alone (Lee and Seung 2001, eq. 3). 0.001 is added to both.

    Shape: two `(batch, stems, channels, bins, frames)` complex to `(batch, stems)`.
    """
    x, y = magnitudes(estimate) + _MAGNITUDE, magnitudes(target) + _MAGNITUDE
    return _mean(y * (y.log() - x.log()) - y + x)


def l1_waveform(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of samples.

    Shape: two `(batch, stems, channels, samples)` to `(batch, stems)`.
    """
    return _mean((estimate - target).abs())


def l2_waveform(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of samples.

    Shape: two `(batch, stems, channels, samples)` to `(batch, stems)`.
    """
    return _mean((estimate - target).square())


def sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Minus the cosine between estimate and target (Jansson's thesis, eq. 6.11): -1 to 1.

    All channels are one vector. The level is free, so add a loss that fixes it. Against a silent
    target the cosine has no meaning; the cost is then `e / (e + 1e-6)` of the estimate's mean
    square e: 0 for silence, towards 1 for a loud estimate. A silent estimate of a sounding target
    costs 0.

    Shape: two `(batch, stems, channels, samples)` to `(batch, stems)`.
    """
    x, y = estimate.flatten(2), target.flatten(2)
    x_power, y_power = x.square().mean(-1), y.square().mean(-1)
    norms = ((x_power + _SILENCE) * (y_power + _SILENCE)).sqrt()
    cosine = (x * y).mean(-1) / norms
    return torch.where(y_power > _SILENCE, -cosine, x_power / (x_power + _AUDIBLE))


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Minus the scale-invariant ratio of signal and distortion in dB, within -80 to 80.

    Le Roux et al. 2019, eq. 3, with all channels as one vector and without removal of the mean.
    Silence for silence costs 0 dB; any other estimate of silence costs up to 80 dB and has
    next to no gradient, so that a loss of level must teach silence.

    Shape: two `(batch, stems, channels, samples)` to `(batch, stems)`, dB.
    """
    x, y = estimate.flatten(2), target.flatten(2)
    x_power = x.square().mean(-1) + _SILENCE
    y_power = y.square().mean(-1) + _SILENCE
    scale = (x * y).mean(-1) / y_power
    # The shares of the estimate's energy; the difference, not one minus the first, which would
    # keep seven digits and thus 70 dB only.
    signal = scale.square() * y.square().mean(-1) / x_power
    distortion = (x - scale[..., None] * y).square().mean(-1) / x_power
    return -10 * ((signal + _RATIO) / (distortion + _RATIO)).log10()


def multi_resolution_stft(estimate: Tensor, target: Tensor) -> Tensor:
    """Spectral convergence plus log magnitude, the mean over three resolutions.

    Yamamoto, Song and Kim 2020, eqs. 4 to 6. Convergence is the norm of the difference of
    magnitudes over that of the target's, the latter at least that of magnitudes of 0.001.

    Shape: two `(batch, stems, channels, samples)` to `(batch, stems)`.
    """
    parts = [_one_resolution(estimate, target, config=config) for config in _RESOLUTIONS]
    return torch.stack(parts).mean(0)


def _one_resolution(estimate: Tensor, target: Tensor, *, config: STFTConfig) -> Tensor:
    x, y = spectrum(estimate, config=config).abs(), spectrum(target, config=config).abs()
    # A root has no gradient at 0, so it is taken a little beside it.
    difference = (_mean((x - y).square()) + _SILENCE).sqrt() - math.sqrt(_SILENCE)
    convergence = difference / _mean(y.square()).sqrt().clamp_min(_MAGNITUDE)
    return convergence + _mean((_log(x) - _log(y)).abs())


@dataclass(frozen=True)
class Loss:
    """A loss of the registry.

    Attributes:
        function: estimate and target to one value per (batch, stem).
        domain: what it takes, waveforms or complex spectra.
    """

    function: LossFunction
    domain: Literal["waveform", "spectrum"]


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "l1_magnitude": Loss(l1_magnitude, "spectrum"),
        "l2_magnitude": Loss(l2_magnitude, "spectrum"),
        "log_magnitude": Loss(log_magnitude, "spectrum"),
        "kl_magnitude": Loss(kl_magnitude, "spectrum"),
        "sdr": Loss(sdr, "waveform"),
        "si_sdr": Loss(si_sdr, "waveform"),
        "multi_resolution_stft": Loss(multi_resolution_stft, "waveform"),
        "l1_waveform": Loss(l1_waveform, "waveform"),
        "l2_waveform": Loss(l2_waveform, "waveform"),
    }
)


def l2_salience(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of saliences (Jansson's thesis, eq. 5.3).

    Shape: two `(batch, bins, frames)` in 0..1 to `(batch, frames)`.
    """
    return (estimate - target).square().mean(1)


def bce_salience(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy of saliences, in nats (Bittner et al. 2017, eq. 1).

    Shape: two `(batch, bins, frames)` in 0..1 to `(batch, frames)`.
    """
    return functional.binary_cross_entropy(estimate, target, reduction="none").mean(1)


SALIENCE_LOSSES: Mapping[str, LossFunction] = MappingProxyType(
    {"l2_salience": l2_salience, "bce_salience": bce_salience}
)
"""Losses of the pitch of the voice: one value for each frame, so that unknown ones are left out."""


def spectrum(signal: Tensor, *, config: STFTConfig) -> Tensor:
    """Transform whole waveforms at once, differentiably.

    Equal to `unmixcli.dsp.stft.stft`.

    Shape: `(..., samples)` float32 to `(..., bins, frames)` complex64.
    """
    reflect = config.edge == "reflect" and signal.shape[-1] > config.n_fft // 2
    flat = signal.reshape(-1, signal.shape[-1])
    frames: Tensor = torch.stft(
        functional.pad(flat, (0, config.extension_after - config.n_fft // 2)),
        config.n_fft,
        config.hop_samples,
        window=config.window_tensor(device=signal.device),
        center=True,
        pad_mode="reflect" if reflect else "constant",
        return_complex=True,
    )
    return frames.reshape(*signal.shape[:-1], *frames.shape[-2:])


def magnitudes(spectra: Tensor) -> Tensor:
    """Of spectra; what is real is taken for magnitudes already.

    Shape: any, complex; the same, real.
    """
    return spectra.abs() if spectra.is_complex() else spectra


def magnitude_spectrum(signal: Tensor, *, config: STFTConfig, bins: int) -> Tensor:
    """Magnitudes of the lowest bins of waveforms that need no gradient.

    Equal to `spectrum(signal, config=config)[..., :bins, :].abs()`, in a third of the time on a
    CPU: row by row everything stays in its caches.

    Shape: `(..., samples)` float32 to `(..., bins, frames)` float32.
    """
    rows = signal.detach().reshape(-1, signal.shape[-1])
    pieces = rows.split(1) if signal.device.type == "cpu" else [rows]
    found = torch.cat(
        [plain_magnitudes(spectrum(piece, config=config)[:, :bins]) for piece in pieces]
    )
    return found.reshape(*signal.shape[:-1], *found.shape[-2:])


def plain_magnitudes(spectra: Tensor) -> Tensor:
    """Of spectra that need no gradient: torch guards overflows, which takes five times as long.

    Shape: any, complex; the same, real and contiguous.
    """
    # Transforms lie frame by frame in memory: turned once they are real, and so half as long.
    real, imaginary = torch.view_as_real(spectra).unbind(-1)
    return (real * real).addcmul_(imaginary, imaginary).sqrt_().contiguous()


def _log(values: Tensor) -> Tensor:
    return (values + _MAGNITUDE).log()


def _mean(values: Tensor) -> Tensor:
    return values.flatten(2).mean(-1)
