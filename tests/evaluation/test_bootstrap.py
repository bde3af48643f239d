from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmixcli.evaluation import bootstrap
from unmixcli.evaluation.bootstrap import interval


def drawn_out(per_track: list[np.ndarray], statistic: Literal["median", "mean"]) -> np.ndarray:
    """The same by drawing and joining, without weights."""
    drawn = np.random.default_rng(0).integers(len(per_track), size=(2000, len(per_track)))
    joined = [np.concatenate([per_track[at] for at in row]) for row in drawn]
    function = np.median if statistic == "median" else np.mean
    return np.percentile([function(values) for values in joined], (2.5, 97.5))


@settings(max_examples=8, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    statistic=st.sampled_from(["median", "mean"]),
    seed=st.integers(0, 99),
)
def test_weights_are_the_same_as_drawing(
    lengths: list[int], statistic: Literal["median", "mean"], seed: int
) -> None:
    random = np.random.default_rng(seed)
    # Integers, so that there are ties.
    per_track = [random.integers(-5, 5, length).astype(float) for length in lengths]
    np.testing.assert_allclose(interval(per_track, statistic), drawn_out(per_track, statistic))


def test_many_values_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    per_track = [np.random.default_rng(at).standard_normal(7) for at in range(6)]
    whole = interval(per_track, "median")
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 100)
    assert interval(per_track, "median") == whole


def test_the_mean_of_many_has_the_interval_of_the_normal_law() -> None:
    values = np.random.default_rng(1).standard_normal(400)
    low, high = interval([np.array([value]) for value in values], "mean")
    half = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_one_track_has_no_interval() -> None:
    assert all(map(math.isnan, interval([np.array([1.0, 2.0])], "mean")))
