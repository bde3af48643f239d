"""How sure an aggregate is: the percentile bootstrap over tracks (Efron and Tibshirani, 1993).

A drawing takes tracks with replacement, each with all its values. It is the same as weighing every
value by how often its track was drawn, so that medians of many values need sorting only once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 0
_PERCENTILES = (2.5, 97.5)
_CELLS_AT_ONCE = 4_000_000

Values: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Literal["median", "mean"]


def statistic_of(values: Values, statistic: Statistic) -> float:
    """The median or the mean of values without NaN."""
    return float(np.median(values) if statistic == "median" else np.mean(values))


def interval(per_track: Sequence[Values], statistic: Statistic) -> tuple[float, float]:
    """The 95 % interval of a statistic of all values, tracks being drawn anew.

    Args:
        per_track: the values of each track, one or more, without NaN.
        statistic: of the values of all tracks together.

    Returns:
        Its lower and upper end, always the same for the same values; NaN for fewer than two
        tracks, of which nothing can be drawn.
    """
    count = len(per_track)
    if count < 2:
        return math.nan, math.nan
    values = np.concatenate(per_track)
    order = np.argsort(values, kind="stable")
    track_of = np.repeat(np.arange(count), [len(own) for own in per_track])[order]
    drawn = np.random.default_rng(_SEED).integers(count, size=(RESAMPLES, count))
    times = np.stack([np.bincount(row, minlength=count) for row in drawn])
    step = max(1, _CELLS_AT_ONCE // len(values))
    weigh = _medians if statistic == "median" else _means
    parts = [
        weigh(values[order], times[start : start + step, track_of])
        for start in range(0, RESAMPLES, step)
    ]
    low, high = np.percentile(np.concatenate(parts), _PERCENTILES)
    return float(low), float(high)


def _means(values: Values, weights: NDArray[np.int64]) -> Values:
    means: Values = weights @ values / weights.sum(axis=1)
    return means


def _medians(ordered: Values, weights: NDArray[np.int64]) -> Values:
    """Medians of values that rise, each counted as often as its weight says, a row a drawing."""
    reached = weights.cumsum(axis=1)
    totals = reached[:, -1]
    middles = [((totals - 1) // 2), totals // 2]
    found = [ordered[(reached > middle[:, None]).argmax(axis=1)] for middle in middles]
    halves: Values = (found[0] + found[1]) / 2
    return halves
