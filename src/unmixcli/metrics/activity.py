"""Activity: was a stem found sounding in the frames in which it sounds.

Labels are ``(targets, frames)`` boolean, true where the target sounds; scores are
``(targets, frames)`` floating point, larger where the target more likely sounds. Each measure is
``(targets,)`` float64 in [0, 1], and NaN where its definition divides by zero: an AUC needs active
and silent frames, a precision needs detections, a recall needs active frames. A detection is a
score above the threshold.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.errors import InputError, UsageError


@dataclass(frozen=True)
class Detection:
    """Counts as ratios.

    Attributes:
        precision: share of the detections that are right, ``(targets,)``.
        recall: share of the active frames that are detected, ``(targets,)``.
        f_measure: their harmonic mean, ``(targets,)``; NaN where nothing is active or detected.
    """

    precision: Tensor
    recall: Tensor
    f_measure: Tensor


def validate(labels: Tensor, scores: Tensor) -> None:
    """Check shapes, types and values.

    Raises:
        UsageError: labels that are not boolean, scores that are not floating point, or other axes.
        InputError: shapes that differ, no frames, or NaN.
    """
    if labels.ndim != 2 or labels.dtype != torch.bool or not scores.is_floating_point():
        raise UsageError(
            f"Labels are {labels.dtype} {tuple(labels.shape)} and scores {scores.dtype}; "
            "pass boolean labels and floating-point scores, (targets, frames)."
        )
    if labels.shape != scores.shape or labels.numel() == 0:
        raise InputError(
            f"Labels {tuple(labels.shape)} and scores {tuple(scores.shape)} need the same shape, "
            "(targets, frames), and at least one frame."
        )
    if bool(scores.isnan().any()):
        raise InputError("The scores hold NaN; leave out the frames that have no score.")


def roc_auc(labels: Tensor, scores: Tensor) -> Tensor:
    """Area under the ROC curve: how often an active frame scores above a silent one, ties half.

    The Mann–Whitney statistic over the product of the counts (Hanley and McNeil, 1982).

    Shape: ``(targets, frames)`` each → ``(targets,)``.

    Raises:
        UnmixError: see ``validate``.
    """
    validate(labels, scores)
    active = labels.sum(dim=-1).double()
    silent = (~labels).sum(dim=-1).double()
    ranks = torch.stack([_average_ranks(row) for row in scores.double()])
    wins = (ranks * labels).sum(dim=-1) - active * (active + 1) / 2
    return wins / (active * silent)


def detection(labels: Tensor, scores: Tensor, *, threshold: float = 0.5) -> Detection:
    """Precision, recall and F of the frames whose score is above the threshold.

    Shape: ``(targets, frames)`` each → ``(targets,)`` each.

    Raises:
        UnmixError: see ``validate``.
    """
    validate(labels, scores)
    found = scores > threshold
    right = (found & labels).sum(dim=-1).double()
    detected, active = found.sum(dim=-1), labels.sum(dim=-1)
    return Detection(
        precision=right / detected, recall=right / active, f_measure=2 * right / (detected + active)
    )


def aggregate_seconds(values: Tensor, *, frame_rate: float) -> Tensor:
    """Median of the frames that start in each second (Hung and Lerch, 2020, section 4.2.3).

    Frame t starts at ``t / frame_rate``; an incomplete last second counts. The median of an even
    count is the mean of the two middle values. Labels are aggregated as 0 and 1, so that
    ``aggregate_seconds(labels.double(), …) > 0.5`` is true where most frames are active.

    Shape: ``(targets, frames)`` floating point → ``(targets, seconds)``.

    Raises:
        UsageError: values that are not ``(targets, frames)``, or a rate not above zero.
    """
    if values.ndim != 2 or not values.is_floating_point():
        raise UsageError(
            f"The values are {values.dtype} {tuple(values.shape)}; "
            "pass floating point (targets, frames)."
        )
    if not (frame_rate > 0 and math.isfinite(frame_rate)):
        raise UsageError(f"The frame rate is {frame_rate}; pass frames a second above zero.")
    seconds = math.ceil(values.shape[-1] / frame_rate)
    edges = [min(math.ceil(second * frame_rate), values.shape[-1]) for second in range(seconds + 1)]
    parts = [values[:, a:b] for a, b in itertools.pairwise(edges) if b > a]
    if not parts:
        return values
    return torch.stack([part.quantile(0.5, dim=-1) for part in parts], dim=-1)


def evaluate(
    labels: Tensor, scores: Tensor, *, frame_rate: float, threshold: float = 0.5
) -> dict[str, Tensor]:
    """All measures by name, frame by frame and over medians of each second, ``(targets,)`` each.

    Shape: ``(targets, frames)`` each.

    Raises:
        UnmixError: see ``validate`` and ``aggregate_seconds``.
    """
    frames = _measures(labels, scores, threshold=threshold)
    coarse_labels = aggregate_seconds(labels.double(), frame_rate=frame_rate) > 0.5
    coarse_scores = aggregate_seconds(scores, frame_rate=frame_rate)
    seconds = _measures(coarse_labels, coarse_scores, threshold=threshold)
    return frames | {f"{name} (1 s)": value for name, value in seconds.items()}


def _measures(labels: Tensor, scores: Tensor, *, threshold: float) -> dict[str, Tensor]:
    found = detection(labels, scores, threshold=threshold)
    return {
        "AUC": roc_auc(labels, scores),
        "precision": found.precision,
        "recall": found.recall,
        "F": found.f_measure,
    }


def _average_ranks(row: Tensor) -> Tensor:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, group, counts = row.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(dim=0).double()
    ranks: Tensor = (last - (counts - 1) / 2)[group]
    return ranks
