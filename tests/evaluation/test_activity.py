from __future__ import annotations

import math

import pytest
import torch

from unmixcli.evaluation.activity import activity_scores, confidence, envelope

RATE = 44100


def gated(*levels: float) -> torch.Tensor:
    """A second of a tone at each level, stereo."""
    tone = torch.sin(torch.arange(RATE) * 2 * math.pi * 441 / RATE)
    return torch.cat([level * tone for level in levels]).expand(2, -1)


def test_the_envelope_is_the_level_of_each_frame() -> None:
    found = envelope(gated(0.5, 0.0), sample_rate=RATE)
    assert found.shape == (44,)
    torch.testing.assert_close(
        found[:20], torch.full((20,), 0.5 / math.sqrt(2)).double(), atol=2e-3, rtol=0
    )
    assert found[23:].max() == 0


def test_it_is_undecided_at_fifteen_percent_of_the_loudest() -> None:
    loudest = envelope(gated(1.0), sample_rate=RATE).max()
    sure = confidence(gated(0.15, 1.0, 0.0), loudest, sample_rate=RATE)
    assert sure[5] == pytest.approx(0.5, abs=0.01)
    assert sure[30] == pytest.approx(1 / (1 + math.exp(-20 * 0.85)), abs=1e-3)
    assert sure[55] == pytest.approx(1 / (1 + math.exp(20 * 0.15)), abs=1e-6)


def test_the_truth_is_found_wholly() -> None:
    song = gated(1.0, 0.0, 0.5, 0.0)
    found = activity_scores(song, song, sample_rate=RATE)
    assert found == dict.fromkeys(found, 1.0)
    assert {"AUC", "F", "AUC (1 s)"} <= set(found)


def test_a_leak_in_a_rest_costs_precision_only() -> None:
    found = activity_scores(gated(1.0, 0.0), gated(1.0, 0.4), sample_rate=RATE)
    assert found["recall (1 s)"] == 1.0
    assert found["precision (1 s)"] == 0.5
    assert found["AUC (1 s)"] == 1.0
