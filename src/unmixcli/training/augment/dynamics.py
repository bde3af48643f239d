"""Compression and limiting without a loop over samples.

Both hold peaks: the held level is the largest of the past, each lowered by a steady fall in dB
since then, which is a running maximum of level + fall * time. One gain serves all channels, so
that the stereo image stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unmixcli.training.augment.convolution import convolved
from unmixcli.training.augment.draw import Draw, untouched_at_zero

_FLOOR = 1e-6  # -120 dB
_FALL_DB_PER_S = (40.0, 300.0)
_LIMITING_DB = 12.0


@dataclass(frozen=True)
class Compressor:
    """Settings of a compressor.

    Attributes:
        threshold_db: level, relative to full scale, above which the gain falls.
        ratio: dB of level above the threshold for one dB of output above it; 1 or more.
        attack_s: time constant of the gain, seconds.
        fall_db_per_s: how fast a held peak falls.
    """

    threshold_db: float
    ratio: float
    attack_s: float = 0.005
    fall_db_per_s: float = 100.0


def compressed(signal: Tensor, *, settings: Compressor, sample_rate: int) -> Tensor:
    """Compress: feed-forward, peaks, hard knee, no make-up gain.

    Giannoulis, Massberg and Reiss 2012, eqs. 2 and 23, with a release that is linear in dB.

    Shape: `(..., channels, samples)`, kept.
    """
    level_db = 20 * _peaks(signal).clamp_min(_FLOOR).log10()
    held_db = held(level_db, fall_db=settings.fall_db_per_s / sample_rate)
    reduction_db = F.relu(held_db - settings.threshold_db) * (1 - 1 / settings.ratio)
    constant = max(1e-9, settings.attack_s * sample_rate)
    lag = torch.exp(-torch.arange(int(8 * constant) + 1, dtype=torch.float64) / constant)
    smooth_db = convolved(reduction_db, impulse=lag / lag.sum())
    return _lowered(signal, smooth_db)


def limited(
    signal: Tensor,
    *,
    ceiling: Tensor | float,
    sample_rate: int,
    lookahead_s: float = 0.005,
    fall_db_per_s: float = 100.0,
) -> Tensor:
    """Keep all samples within the ceiling, with a gain that begins to fall `lookahead_s` before.

    The gain is the mean over the look-ahead of windows which all contain the present, so that it
    is never above what the present needs.

    Shape: `(..., channels, samples)`, kept; a ceiling for each signal `(..., 1, 1)` or for all.
    """
    limit = torch.as_tensor(ceiling, dtype=torch.float64, device=signal.device)
    need_db = F.relu(20 * (_peaks(signal).clamp_min(_FLOOR) / limit.clamp_min(_FLOOR)).log10())
    held_db = held(need_db, fall_db=fall_db_per_s / sample_rate)
    ahead = max(1, round(lookahead_s * sample_rate))
    flat = F.pad(held_db.reshape(-1, 1, held_db.shape[-1]), (ahead, ahead))
    widest = F.max_pool1d(flat, ahead + 1, stride=1)
    mean_db = F.avg_pool1d(widest, ahead + 1, stride=1).reshape(held_db.shape)
    out = _lowered(signal, mean_db)
    # What rounding leaves above; a ceiling below what is measured would silence the signal.
    bound = limit.clamp_min(_FLOOR).to(signal.dtype)
    return torch.minimum(torch.maximum(out, -bound), bound)


def held(level_db: Tensor, *, fall_db: float) -> Tensor:
    """Hold peaks that fall by `fall_db` a sample; `(..., samples)`, kept."""
    ramp = torch.arange(level_db.shape[-1], dtype=level_db.dtype, device=level_db.device) * fall_db
    return (level_db + ramp).cummax(-1).values - ramp


@untouched_at_zero
def compression(signal: Tensor, draw: Draw) -> Tensor:
    """Compress with a threshold within 6 dB of the root mean square and a ratio of up to 8.

    Shape: `(..., channels, samples)`, kept.
    """
    level = float(signal.square().mean().sqrt().clamp_min(_FLOOR).log10()) * 20
    settings = Compressor(
        threshold_db=level + draw.uniform(-6.0, 6.0),
        ratio=1 + draw.strength * draw.uniform(1.0, 7.0),
        attack_s=draw.log_uniform(0.001, 0.03),
        fall_db_per_s=draw.log_uniform(*_FALL_DB_PER_S),
    )
    return compressed(signal, settings=settings, sample_rate=draw.sample_rate)


@untouched_at_zero
def limiting(signal: Tensor, draw: Draw) -> Tensor:
    """Lower peaks to at most 12 dB below the signal's highest; nothing is raised.

    Shape: `(..., channels, samples)`, kept.
    """
    highest = signal.abs().amax((-2, -1), keepdim=True)
    lower_db = draw.strength * draw.uniform(0.25, 1.0) * _LIMITING_DB
    return limited(
        signal,
        ceiling=highest * 10 ** (-lower_db / 20),
        sample_rate=draw.sample_rate,
        fall_db_per_s=draw.log_uniform(*_FALL_DB_PER_S),
    )


def _peaks(signal: Tensor) -> Tensor:
    """The highest channel of each sample: `(..., 1, samples)` float64."""
    return signal.abs().amax(-2, keepdim=True).double()


def _lowered(signal: Tensor, reduction_db: Tensor) -> Tensor:
    return signal * (10 ** (-reduction_db / 20)).to(signal.dtype)
