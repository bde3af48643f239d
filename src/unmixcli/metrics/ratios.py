"""Ratios of energies: how much of an estimate is wrong, as one number a stem.

References and estimates are ``(stems, channels, samples)``, floating point; a mixture is
``(channels, samples)``. Each ratio is ``(stems,)`` in dB, float64, over all channels and samples
of a stem together; larger is better, except for the log-spectral distance. Where the error is zero
a ratio is infinite, and where the reference is silent it is −∞ or NaN, unless its definition has
an offset. Improvements are the score of the estimate minus the score of the mixture.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from unmixcli.errors import InputError, UsageError
from unmixcli.metrics.bss_eval import BssOptions, bss_eval

# Offset of the Music Demixing Challenges: a perfect estimate of silence scores 0 dB.
MDX_OFFSET = 1e-7
# Power below which two spectra count as equally silent, −100 dB of a full-scale sine's bin.
SPECTRAL_FLOOR = 1e-10
# Root mean square above which a second of a stem sounds: -60 dB of full scale.
_SOUNDING = 1e-3


def validate(references: Tensor, estimates: Tensor, *, mixture: Tensor | None = None) -> None:
    """Check shapes, types and values.

    Raises:
        UsageError: axes or types other than those above.
        InputError: shapes that differ, no samples, NaN or infinity.
    """
    for name, signal in (("references", references), ("estimates", estimates)):
        _check(signal, name=name, axes=3)
    if references.shape != estimates.shape:
        raise InputError(
            f"References {tuple(references.shape)} and estimates {tuple(estimates.shape)} differ "
            "in shape; both need the same (stems, channels, samples)."
        )
    if mixture is None:
        return
    _check(mixture, name="mixture", axes=2)
    if mixture.shape != references.shape[1:]:
        raise InputError(
            f"The mixture {tuple(mixture.shape)} does not fit stems of "
            f"{tuple(references.shape[1:])}; both need the same (channels, samples)."
        )


def global_sdr(references: Tensor, estimates: Tensor) -> Tensor:
    """SDR of the Music Demixing Challenges (Mitsufuji et al., 2022, eq. 1): no filters, no frames.

    ``10 log10((Σ s² + δ) / (Σ (s − ŝ)² + δ))`` with δ = 1e-7.

    Shape: ``(stems, channels, samples)`` each → ``(stems,)``.

    Raises:
        UnmixError: see ``validate``.
    """
    validate(references, estimates)
    above = _energy(references) + MDX_OFFSET
    return 10 * torch.log10(above / (_energy(references.double() - estimates) + MDX_OFFSET))


def snr(references: Tensor, estimates: Tensor) -> Tensor:
    """Energy of the reference over that of the error, ``10 log10(Σ s² / Σ (s − ŝ)²)``.

    Shape: ``(stems, channels, samples)`` each → ``(stems,)``.

    Raises:
        UnmixError: see ``validate``.
    """
    validate(references, estimates)
    return 10 * torch.log10(_energy(references) / _energy(references.double() - estimates))


def si_sdr(references: Tensor, estimates: Tensor) -> Tensor:
    """Scale-invariant SDR (Le Roux et al., 2019, eq. 3), means not removed.

    ``Σ (αs)² / Σ (αs − ŝ)²`` with ``α = ⟨ŝ, s⟩ / Σ s²``, one scale for all channels of a stem.

    Shape: ``(stems, channels, samples)`` each → ``(stems,)``.

    Raises:
        UnmixError: see ``validate``.
    """
    validate(references, estimates)
    true, found = references.double(), estimates.double()
    scale = (true * found).sum(dim=(1, 2)) / _energy(true)
    target = true * scale[:, None, None]
    return 10 * torch.log10(_energy(target) / _energy(found - target))


def si_sdr_improvement(references: Tensor, estimates: Tensor, *, mixture: Tensor) -> Tensor:
    """SI-SDR of the estimates minus that of the mixture, taken as an estimate of every stem.

    Shape: ``(stems, channels, samples)`` each and ``(channels, samples)`` → ``(stems,)``.

    Raises:
        UnmixError: see ``validate``.
    """
    return _improvement(si_sdr, references, estimates, mixture=mixture)


def sounding_si_sdr_improvement(
    references: Tensor, estimates: Tensor, *, mixture: Tensor, sample_rate: float
) -> Tensor:
    """The same of each stem's seconds alone in which it sounds, as one signal.

    A second sounds if its root mean square is above -60 dB of full scale; the rest at the end is
    a second, too. NaN for a stem that never sounds.

    Shape: ``(stems, channels, samples)`` each and ``(channels, samples)`` → ``(stems,)``.

    Raises:
        UnmixError: see ``validate``.
    """
    validate(references, estimates, mixture=mixture)
    second = max(1, round(sample_rate))
    pieces = references.split(second, dim=-1)
    values = []
    for stem in range(len(references)):
        kept = [
            torch.full((piece.shape[-1],), bool(piece[stem].square().mean() > _SOUNDING**2))
            for piece in pieces
        ]
        where = torch.cat(kept).to(references.device)
        if not where.any():
            values.append(references.new_full((1,), math.nan, dtype=torch.float64))
            continue
        row = slice(stem, stem + 1)
        values.append(
            si_sdr_improvement(
                references[row][..., where], estimates[row][..., where], mixture=mixture[:, where]
            )
        )
    return torch.cat(values)


def nsdr(references: Tensor, estimates: Tensor, *, mixture: Tensor, taps: int = 512) -> Tensor:
    """Normalised SDR (Ozerov et al., 2007): SDR of the estimates minus SDR of the mixture.

    The SDR is that of BSS Eval v3, sources, over the whole signal, as published for iKala. It
    depends on no other stem, so each stem is scored alone.

    Shape: ``(stems, channels, samples)`` each and ``(channels, samples)`` → ``(stems,)``.

    Raises:
        UnmixError: see ``validate``; also a silent reference, estimate or mixture.
    """

    def filtered_sdr(true: Tensor, found: Tensor) -> Tensor:
        return torch.stack([_stem_sdr(s, e, taps=taps) for s, e in zip(true, found, strict=True)])

    return _improvement(filtered_sdr, references, estimates, mixture=mixture)


def log_spectral_distance(
    references: Tensor, estimates: Tensor, *, n_fft: int = 2048, hop_samples: int = 512
) -> Tensor:
    """Log-spectral distance (Gray and Markel, 1976), mean over frames and channels, dB.

    ``√(mean over bins of (10 log10(|S|² + ε) − 10 log10(|Ŝ|² + ε))²)`` of the spectra of a
    periodic Hann window that sums to one, with ε = 1e-10; smaller is better.

    Shape: ``(stems, channels, samples)`` each → ``(stems,)``, ≥ 0.

    Raises:
        UsageError: a transform or hop that is not positive.
        UnmixError: see ``validate``.
    """
    validate(references, estimates)
    if n_fft < 2 or hop_samples < 1:
        raise UsageError(
            f"A transform of {n_fft} with a hop of {hop_samples} is none; "
            "pass n_fft=2048, hop_samples=512."
        )
    levels = [_levels(x, n_fft=n_fft, hop_samples=hop_samples) for x in (references, estimates)]
    distance = (levels[0] - levels[1]).square().mean(dim=-2).sqrt()
    return distance.mean(dim=(-2, -1))


def null_test(stems: Tensor, *, mixture: Tensor) -> float:
    """Level of mix − Σ stems relative to the mix, dB; −∞ where they cancel exactly.

    Shape: ``(stems, channels, samples)`` and ``(channels, samples)`` → a number.

    Raises:
        InputError: a silent mixture whose stems do not cancel it; also see ``validate``.
    """
    validate(stems, stems, mixture=mixture)
    total = float(mixture.double().square().sum())
    left = float((mixture.double() - stems.double().sum(dim=0)).square().sum())
    if left == 0:
        return -math.inf
    if total == 0:
        raise InputError(
            "The mixture is silent but its stems are not; pass the mix they come from."
        )
    return 10 * math.log10(left / total)


def evaluate(
    references: Tensor, estimates: Tensor, *, mixture: Tensor | None = None
) -> dict[str, Tensor]:
    """All ratios by name, each ``(stems,)``; those of improvement where there is a mixture.

    NSDR is left out: it needs stems that are not silent, and takes longer than all others.

    Shape: ``(stems, channels, samples)`` each and ``(channels, samples)``.

    Raises:
        UnmixError: see ``validate``.
    """
    scores = {
        "global SDR": global_sdr(references, estimates),
        "SNR": snr(references, estimates),
        "SI-SDR": si_sdr(references, estimates),
        "LSD": log_spectral_distance(references, estimates),
    }
    if mixture is not None:
        scores["SI-SDRi"] = si_sdr_improvement(references, estimates, mixture=mixture)
    return scores


def _check(signal: Tensor, *, name: str, axes: int) -> None:
    if signal.ndim != axes or not signal.is_floating_point():
        wanted = "(stems, channels, samples)" if axes == 3 else "(channels, samples)"
        raise UsageError(
            f"The {name} are {signal.dtype} with shape {tuple(signal.shape)}; "
            f"pass floating point {wanted}."
        )
    if signal.numel() == 0:
        raise InputError(f"The {name} {tuple(signal.shape)} are empty; pass at least one sample.")
    if not bool(torch.isfinite(signal).all()):
        raise InputError(f"The {name} have NaN or infinite samples; mend them.")


def _energy(signal: Tensor) -> Tensor:
    return signal.double().square().sum(dim=(1, 2))


def _improvement(
    score: Callable[[Tensor, Tensor], Tensor],
    references: Tensor,
    estimates: Tensor,
    *,
    mixture: Tensor,
) -> Tensor:
    validate(references, estimates, mixture=mixture)
    return score(references, estimates) - score(references, mixture.expand_as(references))


def _stem_sdr(reference: Tensor, estimate: Tensor, *, taps: int) -> Tensor:
    scores = bss_eval(
        reference[None],
        estimate[None],
        sample_rate=1.0,
        window_s=math.inf,
        hop_s=math.inf,
        version="v3",
        options=BssOptions(taps=taps),
    )
    return torch.tensor(scores.sdr[0, 0], dtype=torch.float64, device=reference.device)


def _levels(signal: Tensor, *, n_fft: int, hop_samples: int) -> Tensor:
    """``(stems, channels, samples)`` → dB, ``(stems, channels, bins, frames)``."""
    window = torch.hann_window(n_fft, dtype=torch.float64, device=signal.device)
    spectra = torch.stft(
        signal.double().flatten(0, 1),
        n_fft,
        hop_length=hop_samples,
        window=window / window.sum(),
        pad_mode="constant",
        return_complex=True,
    )
    power = spectra.abs().square()
    levels: Tensor = 10 * torch.log10(power + SPECTRAL_FLOOR).unflatten(0, signal.shape[:2])
    return levels
