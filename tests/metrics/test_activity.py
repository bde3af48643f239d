from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmixcli.errors import InputError, UsageError
from unmixcli.metrics.activity import aggregate_seconds, detection, evaluate, roc_auc

LABELS = torch.tensor([[True, True, False, False]])


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


@pytest.mark.parametrize(
    ("scores", "area"),
    [
        ((0.9, 0.8, 0.2, 0.1), 1.0),
        ((0.1, 0.2, 0.8, 0.9), 0.0),
        ((0.5, 0.5, 0.5, 0.5), 0.5),
        ((0.9, 0.3, 0.4, 0.1), 0.75),
        ((0.9, 0.4, 0.4, 0.1), 0.875),
    ],
)
def test_area_is_the_share_of_pairs_in_order(scores: tuple[float, ...], area: float) -> None:
    assert roc_auc(LABELS, row(*scores)).item() == area


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(
        lambda frames: len({label for label, _ in frames}) == 2
    )
)
def test_area_equals_the_count_over_all_pairs(frames: list[tuple[bool, int]]) -> None:
    active = [score for label, score in frames if label]
    silent = [score for label, score in frames if not label]
    wins = sum((a > s) + (a == s) / 2 for a in active for s in silent)
    labels = torch.tensor([[label for label, _ in frames]])
    found = roc_auc(labels, row(*(float(score) for _, score in frames)))
    assert found.item() == pytest.approx(wins / (len(active) * len(silent)))


def test_area_needs_active_and_silent_frames() -> None:
    labels = torch.tensor([[True, True], [False, False]])
    assert roc_auc(labels, torch.zeros(2, 2)).isnan().all()


def test_area_does_not_depend_on_a_rising_curve() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.rand(3, 200, generator=generator) > 0.6
    scores = torch.randn(3, 200, generator=generator, dtype=torch.float64) + labels
    area = roc_auc(labels, scores)
    torch.testing.assert_close(roc_auc(labels, scores.exp()), area)
    torch.testing.assert_close(roc_auc(labels, -scores), 1 - area)


def test_detection_counts() -> None:
    labels = torch.tensor([[True, True, True, False, False], [False] * 5])
    scores = torch.tensor([[0.9, 0.6, 0.5, 0.7, 0.1], [0.1] * 5])
    found = detection(labels, scores)
    assert found.precision[0].item() == pytest.approx(2 / 3)
    assert found.recall[0].item() == pytest.approx(2 / 3)
    assert found.f_measure[0].item() == pytest.approx(2 / 3)
    assert all(ratio[1].isnan() for ratio in (found.precision, found.recall, found.f_measure))
    assert detection(labels, scores, threshold=0.4).recall[0].item() == 1


def test_seconds_hold_the_median_of_their_frames() -> None:
    values = row(1, 2, 9, 4, 5, 0, 7)
    assert aggregate_seconds(values, frame_rate=3).tolist() == [[2, 4, 7]]
    # Frames start at 0, 0.4, 0.8 | 1.2, 1.6 | 2, 2.4; medians of two are means.
    assert aggregate_seconds(values, frame_rate=2.5).tolist() == [[2, 4.5, 3.5]]


def test_seconds_without_frames_are_left_out() -> None:
    assert aggregate_seconds(row(3, 4), frame_rate=0.5).tolist() == [[3, 4]]


def test_evaluate_scores_frames_and_seconds() -> None:
    labels = torch.tensor([[True, True, True, False, False, False]])
    scores = row(0.9, 0.1, 0.8, 0.2, 0.95, 0.1)
    found = evaluate(labels, scores, frame_rate=3)
    assert found["AUC"].item() == 0.5
    assert found["AUC (1 s)"].item() == 1
    assert found["F"].item() == pytest.approx(2 / 3)
    assert [found[f"{name} (1 s)"].item() for name in ("precision", "recall", "F")] == [1, 1, 1]


def test_signals_that_are_refused() -> None:
    scores = torch.zeros(1, 4)
    with pytest.raises(UsageError, match="boolean labels"):
        roc_auc(scores, scores)
    with pytest.raises(UsageError, match="floating-point scores"):
        roc_auc(LABELS, LABELS)
    with pytest.raises(InputError, match="same shape"):
        roc_auc(LABELS, scores[:, 1:])
    with pytest.raises(InputError, match="same shape"):
        roc_auc(LABELS[:, :0], scores[:, :0])
    with pytest.raises(InputError, match="NaN"):
        roc_auc(LABELS, scores * math.nan)
    with pytest.raises(UsageError, match="frame rate is 0"):
        aggregate_seconds(scores, frame_rate=0)
    with pytest.raises(UsageError, match=r"torch\.bool"):
        aggregate_seconds(LABELS, frame_rate=1)
    with pytest.raises(TypeError, match="treshold"):
        detection(LABELS, scores, treshold=0.5)  # type: ignore[call-arg]
