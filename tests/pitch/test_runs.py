"""Runs too short to be sung."""

from __future__ import annotations

import numpy as np
import pytest

from unmixcli.pitch.f0 import Lines, join_lines
from unmixcli.pitch.runs import LongRuns


def kept(voiced: list[int], shortest: int = 3, block: int = 1000) -> list[int]:
    f0_hz = 100.0 * np.array([voiced])
    lines = Lines(f0_hz, np.ones_like(f0_hz))
    stream = LongRuns(shortest)
    parts = [stream.push(lines.part(k, k + block)) for k in range(0, lines.frames, block)]
    return (join_lines([*parts, stream.finish()]).f0_hz[0] > 0).astype(int).tolist()


@pytest.mark.parametrize("block", [1, 2, 5, 1000])
def test_only_long_runs_stay(block: int) -> None:
    before = [1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1]
    after_ = [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert kept(before, block=block) == after_


@pytest.mark.parametrize("block", [1, 7])
def test_blocks_of_any_length_give_the_same(block: int) -> None:
    voiced = (np.random.default_rng(0).random(500) < 0.6).astype(int).tolist()
    assert kept(voiced, block=block) == kept(voiced)
