"""Frames of a network to steps of the user."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pitch.ridges_for_tests import cents
from unmixcli.errors import UsageError
from unmixcli.pitch.f0 import Lines, join_lines
from unmixcli.pitch.steps import Steps, step_count, step_of, step_times

FRAME = Fraction(256, 22050)


def stepped(f0_hz: np.ndarray, *, step_ms: float = 10, steps: int, block: int = 1000) -> np.ndarray:
    lines = Lines(f0_hz[None], np.where(f0_hz > 0, 0.9, 0.1)[None])
    stream = Steps(FRAME, step_of(step_ms))
    parts = [
        stream.push(lines.part(k, k + block), steps=steps) for k in range(0, lines.frames, block)
    ]
    return join_lines([*parts, stream.finish(steps)]).f0_hz[0]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("step_ms", [1, 5, 10, 11.7, 32])
def test_a_track_has_one_step_more_than_whole_ones(rate: int, step_ms: float) -> None:
    step = step_of(step_ms)
    for samples in (1, rate // 100, rate - 1, rate, rate + 1, 10 * rate + 7):
        count = step_count(samples, sample_rate=rate, step_s=step)
        last = (count - 1) * step
        assert last <= Fraction(samples, rate) < last + step
    assert step_count(0, sample_rate=rate, step_s=step) == 0


def test_times_do_not_drift() -> None:
    times = step_times(359_999, 2, step_s=step_of(10))
    assert times.tolist() == [3599.99, 3600.0]


@pytest.mark.parametrize("step_ms", [2, 10, 11.7, 40])
def test_a_slow_glide_stays_where_it_is(step_ms: float) -> None:
    """100 cents in 0.12 s; linear in cents, so nothing is lost between frames."""
    frames = 500
    true = 220 * 2 ** (np.arange(frames) * float(FRAME) * 0.7)
    steps = int((frames - 1) * FRAME / step_of(step_ms)) + 1
    found = stepped(true, step_ms=step_ms, steps=steps)
    times = np.arange(steps) * step_ms / 1000
    np.testing.assert_allclose(cents(found, 220 * 2 ** (times * 0.7)), 0, atol=1e-6)


def test_onset_and_leap_are_those_of_the_nearer_frame() -> None:
    f0_hz = np.repeat([0.0, 220.0, 440.0, 0.0], 50)
    found = stepped(f0_hz, steps=230)
    # 10 ms are 441/512 of a frame.
    nearest = np.minimum((np.arange(230) * 441 + 256) // 512, 199)
    assert np.array_equal(found, f0_hz[nearest])


@pytest.mark.parametrize("block", [1, 3, 86])
def test_blocks_of_any_length_give_the_same(block: int) -> None:
    random = np.random.default_rng(0)
    f0_hz = 220 * 2 ** np.cumsum(random.normal(0, 0.03, 400))
    f0_hz[random.random(400) < 0.1] = 0
    whole = stepped(f0_hz, steps=460)
    assert np.array_equal(stepped(f0_hz, steps=460, block=block), whole)


def test_no_frames_give_unvoiced_steps() -> None:
    assert stepped(np.zeros(0), steps=3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("step_ms", [0, 0.5, -1, 1001, float("nan")])
def test_other_steps_are_refused(step_ms: float) -> None:
    with pytest.raises(UsageError, match="from 1 to 1000"):
        step_of(step_ms)
