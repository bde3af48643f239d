"""Oracles: the best that a mask of one kind can do when the true stems are known.

References are ``(stems, channels, samples)`` floating point and the mixture is
``(channels, samples)``; estimates have the shape, type and device of the references. Every oracle
but the mixture masks a short-time Fourier transform with a periodic Hann window, centred, and
inverts it; an oracle never sees more than the stems' own transforms. The mixture as an estimate of
every stem is the lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.errors import UsageError
from unmixcli.metrics import ratios

# Relative to the mean energy of a bin: keeps the divisions finite and is below any score's reach.
_RELATIVE_FLOOR = 1e-10


@dataclass(frozen=True)
class Transform:
    """Short-time Fourier transform of the oracles.

    Attributes:
        n_fft: window and transform, samples; SiSEC's oracles use 2048 (Stöter et al., 2018).
        hop_samples: from frame to frame, at most half the window.
    """

    n_fft: int = 2048
    hop_samples: int = 512


def validate(references: Tensor, mixture: Tensor, *, transform: Transform) -> None:
    """Check both signals and the transform.

    Raises:
        UsageError: axes, types or a transform that are not allowed.
        InputError: shapes that differ, no samples, NaN or infinity.
    """
    if not 1 <= transform.hop_samples <= transform.n_fft // 2:
        raise UsageError(
            f"A hop of {transform.hop_samples} for a window of {transform.n_fft} cannot be "
            "inverted; pass a hop of at most half the window."
        )
    ratios.validate(references, references, mixture=mixture)


def mixture_bound(references: Tensor, mixture: Tensor) -> Tensor:
    """The mixture as the estimate of every stem: what doing nothing scores.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → as the references.

    Raises:
        UnmixError: see ``validate``.
    """
    ratios.validate(references, references, mixture=mixture)
    return mixture.to(references).expand_as(references).clone()


def ideal_binary_mask(
    references: Tensor, mixture: Tensor, *, transform: Transform | None = None
) -> Tensor:
    """Give each bin to the stem that is loudest there (Wang, 2005); equal stems share it.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → as the references.

    Raises:
        UnmixError: see ``validate``.
    """

    def mask(stems: Tensor, _: Tensor) -> Tensor:
        magnitude = stems.abs()
        loudest = (magnitude == magnitude.amax(dim=0)).to(magnitude.dtype)
        return loudest / loudest.sum(dim=0)

    return _masked(mask, references, mixture, transform=transform)


def ideal_ratio_mask(
    references: Tensor, mixture: Tensor, *, power: int = 1, transform: Transform | None = None
) -> Tensor:
    """Give each stem its share of the magnitudes (power 1) or of the powers (2).

    ``|S_j|ᵖ / Σ_k |S_k|ᵖ`` (Liutkus and Badeau, 2015); silent bins are shared equally, so that the
    estimates sum to the mixture.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → as the references.

    Raises:
        UsageError: a power other than 1 and 2.
        UnmixError: see ``validate``.
    """
    if power not in (1, 2):
        raise UsageError(f"A ratio mask of power {power} is not defined here; type power=1 or 2.")

    def mask(stems: Tensor, _: Tensor) -> Tensor:
        share = stems.abs() ** power
        total = share.sum(dim=0)
        equal = torch.full_like(share, 1 / stems.shape[0])
        return torch.where(total > 0, share / total.clamp_min(torch.finfo(total.dtype).tiny), equal)

    return _masked(mask, references, mixture, transform=transform)


def complex_ideal_ratio_mask(
    references: Tensor, mixture: Tensor, *, bound: float = 10.0, transform: Transform | None = None
) -> Tensor:
    """Divide the transforms, magnitude and phase (Williamson, Wang and Wang, 2016).

    ``S_j / X`` with its magnitude cut off at ``bound``, since a bin where stems cancel would need
    any gain; bins where the mixture is silent stay silent.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → as the references.

    Raises:
        UsageError: a bound that is not above zero.
        UnmixError: see ``validate``.
    """
    if not bound > 0:
        raise UsageError(f"The bound is {bound}; pass a gain above zero, such as 10.")

    def mask(stems: Tensor, mix: Tensor) -> Tensor:
        silent = mix == 0
        ratio = stems / torch.where(silent, torch.ones_like(mix), mix)
        ratio = ratio * (bound / ratio.abs().clamp_min(bound))
        return torch.where(silent, torch.zeros_like(ratio), ratio)

    return _masked(mask, references, mixture, transform=transform)


def multichannel_wiener(
    references: Tensor, mixture: Tensor, *, transform: Transform | None = None
) -> Tensor:
    """Filter with the true powers and spatial covariances (Duong, Vincent and Gribonval, 2010).

    Stem j has the power ``v_j``, the mean over channels of ``|S_j|²``, in each bin and the
    covariance ``R_j = Σ_t S_j S_jᴴ / Σ_t v_j`` in each frequency; the estimate is
    ``v_j R_j (Σ_k v_k R_k + εI)⁻¹ X``. One channel gives the ratio mask of power 2.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → as the references.

    Raises:
        UnmixError: see ``validate``.
    """

    def filtered(stems: Tensor, mix: Tensor) -> Tensor:
        # (stems, bins, frames, channels)
        images = stems.permute(0, 2, 3, 1)
        power = images.abs().square().mean(dim=-1)
        outer = images.transpose(-1, -2) @ images.conj()
        spatial = outer / (power.sum(dim=-1) + _floor(power))[..., None, None]
        floor = _floor(power) * torch.eye(mix.shape[0], dtype=mix.dtype, device=mix.device)
        total = torch.einsum("jft,jfab->ftab", power.to(spatial), spatial) + floor
        solved = torch.linalg.solve(total, mix.permute(1, 2, 0)[..., None])[..., 0]
        estimates = power[..., None] * torch.einsum("jfab,ftb->jfta", spatial, solved)
        return estimates.permute(0, 3, 1, 2)

    return _inverted(filtered, references, mixture, transform=transform)


ORACLES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mixture": mixture_bound,
    "ibm": ideal_binary_mask,
    "irm1": ideal_ratio_mask,
    "irm2": lambda references, mixture: ideal_ratio_mask(references, mixture, power=2),
    "cirm": complex_ideal_ratio_mask,
    "mwf": multichannel_wiener,
}


def evaluate(name: str, references: Tensor, mixture: Tensor) -> Tensor:
    """The oracle of that name, one of ``ORACLES``, with its standard settings.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → as the references.

    Raises:
        UsageError: an unknown name.
        UnmixError: see ``validate``.
    """
    if name not in ORACLES:
        raise UsageError(f"There is no oracle {name!r}; type one of {', '.join(ORACLES)}.")
    return ORACLES[name](references, mixture)


def _masked(
    mask: Callable[[Tensor, Tensor], Tensor],
    references: Tensor,
    mixture: Tensor,
    *,
    transform: Transform | None,
) -> Tensor:
    def estimate(stems: Tensor, mix: Tensor) -> Tensor:
        return mask(stems, mix) * mix

    return _inverted(estimate, references, mixture, transform=transform)


def _inverted(
    estimate: Callable[[Tensor, Tensor], Tensor],
    references: Tensor,
    mixture: Tensor,
    *,
    transform: Transform | None,
) -> Tensor:
    """Estimate stems from transforms ``(stems, channels, bins, frames)`` and go back to samples."""
    chosen = transform or Transform()
    validate(references, mixture, transform=chosen)
    window = torch.hann_window(chosen.n_fft, dtype=torch.float64, device=references.device)
    mix = _forward(mixture.to(references.device), window=window, transform=chosen)
    stems = _forward(references.flatten(0, 1), window=window, transform=chosen)
    stems = stems.unflatten(0, references.shape[:2])
    samples = torch.istft(
        estimate(stems, mix).flatten(0, 1),
        chosen.n_fft,
        hop_length=chosen.hop_samples,
        window=window,
        length=references.shape[-1],
    )
    stacked: Tensor = samples.unflatten(0, references.shape[:2]).to(references.dtype)
    return stacked


def _forward(signal: Tensor, *, window: Tensor, transform: Transform) -> Tensor:
    return torch.stft(
        signal.double(),
        transform.n_fft,
        hop_length=transform.hop_samples,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )


def _floor(power: Tensor) -> Tensor:
    return power.mean() * _RELATIVE_FLOOR + torch.finfo(power.dtype).tiny
