"""When a stem sounds, told from its level: labels of references, scores of estimates.

After the energy tracking of MedleyDB (Bittner et al., 2014, section 2.3): the envelope of frames
of 46 ms, relative to the reference's loudest frame, goes through a logistic function with slope
20 around 0.15. A reference is active above 0.5; the estimate's value is its score.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unmixcli.metrics import activity

_FRAME_S = 2048 / 44100
_SLOPE, _MIDDLE = 20.0, 0.15
_ACTIVE = 0.5


def activity_scores(reference: Tensor, estimate: Tensor, *, sample_rate: int) -> dict[str, float]:
    """AUC, precision, recall and F, in frames and in medians of a second.

    Shape: `(channels, samples)` each; the reference is not silent.
    """
    loudest = envelope(reference, sample_rate=sample_rate).max()
    labels = confidence(reference, loudest, sample_rate=sample_rate) > _ACTIVE
    scores = confidence(estimate, loudest, sample_rate=sample_rate)
    frame_rate = sample_rate / _frame_samples(sample_rate)
    table = activity.evaluate(labels[None], scores[None], frame_rate=frame_rate)
    return {name: float(values[0]) for name, values in table.items()}


def confidence(samples: Tensor, loudest: Tensor, *, sample_rate: int) -> Tensor:
    """How sure it is that something sounds, `(channels, samples)` to `(frames,)` in [0, 1]."""
    level = envelope(samples, sample_rate=sample_rate) / loudest
    return torch.sigmoid(_SLOPE * (level - _MIDDLE))


def envelope(samples: Tensor, *, sample_rate: int) -> Tensor:
    """Root mean square of frames that do not overlap; the last may be shorter, `(frames,)`."""
    frames = samples.double().split(_frame_samples(sample_rate), dim=-1)
    return torch.stack([frame.square().mean().sqrt() for frame in frames])


def _frame_samples(sample_rate: int) -> int:
    return max(1, round(_FRAME_S * sample_rate))
