"""Masks: which part of each bin of the mix belongs to which stem.

Magnitudes have the shape ``(…, stems, channels, bins, frames)``; so has every mask. A mask is
multiplied with the mix, whose spectrogram is ``(…, channels, bins, frames)``. Where all stems are
silent a mask that divides is ``1 / stems``, so that masks sum to one everywhere and the stems sum
to the mix. No function changes its input.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEMS = -4


def ratio_mask(magnitudes: Tensor, *, exponent: int = 2, eps: float = 1e-10) -> Tensor:
    """Give each stem its share of the magnitude (exponent 1) or of the power (exponent 2).

    ``(m_jᵖ + ε/J) / (Σ m_kᵖ + ε)`` with J stems, the rule of Spleeter (Hennequin et al., 2020).
    Gradients are finite at silence.

    Shape: ``(…, stems, channels, bins, frames)``, not negative → the same, in [0, 1], summing to
    one over the stems.

    Raises:
        ValueError: fewer than four axes, an exponent other than 1 and 2, or ε ≤ 0.
    """
    _check_magnitudes(magnitudes)
    _check_eps(eps)
    if exponent not in (1, 2):
        raise ValueError(f"A ratio mask has the exponent 1 or 2, not {exponent}; type exponent=2.")
    powers = magnitudes if exponent == 1 else magnitudes.square()
    stems = magnitudes.shape[_STEMS]
    return (powers + eps / stems) / (powers.sum(dim=_STEMS, keepdim=True) + eps)


def soft_mask(
    magnitudes: Tensor, *, power: float = 2.0, margin: float = 1.0, eps: float = 1e-10
) -> Tensor:
    """Compare each stem with the others on a logistic curve of their level difference.

    ``m_jᵖ / (m_jᵖ + marginᵖ Σ_{k≠j} m_kᵖ)``, which is ``σ(p (ln m_j − ln others_j − ln margin))``
    with ``others_j = (Σ_{k≠j} m_kᵖ)^(1/p)``: ``power`` is the slope of that curve and ``margin``
    the level ratio at which the mask is one half (Driedger et al., 2014; for two stems it is
    ``librosa.util.softmask(X, margin * X_ref, power=power)``). It is computed from logarithms, so
    a large power neither over- nor underflows; ε is added to the magnitudes first. Gradients are
    finite at silence.

    Shape: ``(…, stems, channels, bins, frames)``, not negative → the same, in [0, 1], summing to
    one over the stems for a margin of 1 and to at most one for a larger one: what is left over is
    the residual.

    Raises:
        ValueError: fewer than four axes, a power ≤ 0 or infinite, a margin < 1 or infinite, ε ≤ 0.
    """
    _check_magnitudes(magnitudes)
    _check_eps(eps)
    if not 0 < power < math.inf:
        raise ValueError(
            f"The power of a soft mask is above 0 and finite, not {power}; "
            "for an all-or-nothing mask use binary_mask."
        )
    if not 1 <= margin < math.inf:
        raise ValueError(f"The margin of a soft mask is 1 or more, not {margin}; type margin=1.0.")
    share = torch.softmax(power * (magnitudes + eps).log(), dim=_STEMS)
    if margin == 1:
        return share
    threshold: float = margin**power
    return share / (share + threshold * (1 - share))


def binary_mask(magnitudes: Tensor) -> Tensor:
    """Give each bin wholly to its loudest stem; where several are equal, to the first of them.

    The ideal binary mask when the magnitudes are those of the true stems (Wang, 2005). It has no
    gradient.

    Shape: ``(…, stems, channels, bins, frames)``, not negative → the same, zeros and a single one
    over the stems.

    Raises:
        ValueError: fewer than four axes.
    """
    _check_magnitudes(magnitudes)
    loudest = magnitudes.argmax(dim=_STEMS, keepdim=True)
    return torch.zeros_like(magnitudes).scatter_(_STEMS, loudest, 1.0)


def bounded_complex_mask(output: Tensor) -> Tensor:
    """Squash a network's complex output O into the unit disc: ``tanh|O| · O/|O|``.

    Choi et al., 2019, eq. 4; Jansson, 2019, eqs. 6.7 and 6.8. At O = 0, where the phase is
    undefined, the mask is its limit 0 and its derivative the limit 1.

    Shape: complex, any → the same, with magnitudes in [0, 1] up to rounding.

    Raises:
        ValueError: an output that is not complex.
    """
    if not output.is_complex():
        raise ValueError(
            f"A complex mask is made from complex values, not {output.dtype}; use torch.complex."
        )
    magnitude = output.abs()
    # tanh(r)/r by its series where the quotient would be 0/0; the inner where keeps the quotient's
    # gradient finite there too.
    near_zero = magnitude < 1e-2
    divisor = torch.where(near_zero, torch.ones_like(magnitude), magnitude)
    squared = magnitude.square()
    series = 1 - squared / 3 + 2 * squared.square() / 15
    return output * torch.where(near_zero, series, divisor.tanh() / divisor)


def complex_ratio_mask(stems: Tensor, mix: Tensor, *, eps: float = 1e-10) -> Tensor:
    """Divide stems by their mix: the ideal complex ratio mask (Williamson et al., 2016, eq. 5).

    ``(s_j x̄ + ε/J) / (|x|² + ε)`` with J stems. It is unbounded where stems cancel each other.

    Shape: complex ``(…, stems, channels, bins, frames)`` and ``(…, channels, bins, frames)`` → the
    shape of the stems; the masks sum to one if the stems sum to the mix.

    Raises:
        ValueError: fewer than four axes, shapes that do not fit, or ε ≤ 0.
    """
    _check_magnitudes(stems)
    _check_eps(eps)
    _check_mix(stems, mix, stem_dim=_STEMS)
    mixture = mix.unsqueeze(_STEMS)
    power = mixture.real.square() + mixture.imag.square()
    return (stems * mixture.conj() + eps / stems.shape[_STEMS]) / (power + eps)


def mixture_consistency(
    stems: Tensor, mix: Tensor, *, weights: Tensor | None = None, stem_dim: int = _STEMS
) -> Tensor:
    """Spread the residual ``x − Σ s_k`` over the stems, so that they sum to the mix.

    ``s_j + w_j (x − Σ s_k)`` with ``Σ w_j = 1``: Wisdom et al., 2019, eq. 5. Equal weights give the
    nearest stems that sum to the mix; ``weights`` gives one number a stem, or a tensor that
    broadcasts to the stems (their powers, for example). It is divided by its sum over the stems,
    and where that is zero the weights are equal.

    Shape: ``(…, stems, channels, bins, frames)`` and ``(…, channels, bins, frames)``, real or
    complex → the shape of the stems. With ``stem_dim=-3`` the same for samples,
    ``(…, stems, channels, samples)``.

    Raises:
        ValueError: shapes that do not fit, or a negative weight.
    """
    _check_mix(stems, mix, stem_dim=stem_dim)
    residual = mix.unsqueeze(stem_dim) - stems.sum(dim=stem_dim, keepdim=True)
    if weights is None:
        return stems + residual / stems.shape[stem_dim]
    return stems + residual * _normalised(weights, stems, stem_dim=stem_dim)


def _normalised(weights: Tensor, stems: Tensor, *, stem_dim: int) -> Tensor:
    """Make weights sum to one over the stems; a vector is moved to the stems' axis."""
    count = stems.shape[stem_dim]
    if weights.ndim == 1:
        weights = weights.reshape(-1, *[1] * (-stem_dim - 1))
    if weights.ndim < -stem_dim or weights.shape[stem_dim] != count:
        raise ValueError(
            f"Weights of shape {tuple(weights.shape)} do not fit {count} stems; "
            "give one weight a stem, or a tensor of the stems' shape."
        )
    if bool((weights < 0).any()):
        raise ValueError("The weights of a mixture consistency are 0 or more; one is negative.")
    total = weights.sum(dim=stem_dim, keepdim=True)
    equal = torch.full_like(weights, 1 / count)
    return torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), equal)


def _check_magnitudes(magnitudes: Tensor) -> None:
    if magnitudes.ndim < 4:
        raise ValueError(
            "A mask needs the axes (stems, channels, bins, frames), "
            f"not the shape {tuple(magnitudes.shape)}; add the missing axes with unsqueeze."
        )


def _check_eps(eps: float) -> None:
    if not eps > 0:
        raise ValueError(f"The eps of a mask is above 0, not {eps}; type eps=1e-10.")


def _check_mix(stems: Tensor, mix: Tensor, *, stem_dim: int) -> None:
    if not -stems.ndim <= stem_dim < 0:
        raise ValueError(
            f"The stems' axis is counted from the end, -{stems.ndim} to -1, not {stem_dim}; "
            "type stem_dim=-4 for spectrograms and -3 for samples."
        )
    expected = list(stems.shape)
    del expected[stem_dim]
    if list(mix.shape) != expected:
        raise ValueError(
            f"A mix of shape {tuple(mix.shape)} does not fit stems of shape {tuple(stems.shape)}; "
            f"it has the shape {tuple(expected)}."
        )
