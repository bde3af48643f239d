"""The likeliest path, against the whole track at once."""

from __future__ import annotations

import numpy as np
import pytest

from pitch.ridges_for_tests import AXIS, cents, decoded, ridge
from unmixcli.pitch import viterbi
from unmixcli.pitch.decode import PeakDecoder, PitchRange, refined_hz
from unmixcli.pitch.viterbi import TransitionCosts, ViterbiDecoder

NARROW = PitchRange(f_min_hz=200, f_max_hz=400)


def noisy(frames: int, seed: int = 0) -> np.ndarray:
    """A wandering ridge with gaps, in noise that is louder than it here and there."""
    random = np.random.default_rng(seed)
    true = 280 * 2 ** (np.cumsum(random.normal(0, 0.01, frames)) % 0.4)
    true[np.arange(frames) % 90 < 30] = 0
    return np.clip(ridge(true, height=0.6) + 0.42 * random.random((AXIS.bins, frames)), 0, 1)


def whole_path(salience: np.ndarray, within: PitchRange, costs: TransitionCosts) -> np.ndarray:
    """f0 by the textbook: all frames forward, then all frames back."""
    bins = within.bins(AXIS)
    inside = salience[bins]
    count, frames = inside.shape
    between = costs.between(count, bins_per_octave=AXIS.bins_per_octave)
    gain = np.vstack([np.log(np.maximum(inside, 1e-6)), np.full(frames, np.log(within.threshold))])
    worth, origin = gain[:, 0], np.zeros((frames, count + 1), int)
    for frame in range(1, frames):
        reached = worth[:, None] - between
        origin[frame] = reached.argmax(axis=0)
        worth = reached.max(axis=0) + gain[:, frame]
    path = [int(worth.argmax())]
    for frame in range(frames - 1, 0, -1):
        path.append(origin[frame][path[-1]])
    states = np.array(path[::-1])
    peaks = np.minimum(states, count - 1)[None]
    hz = refined_hz(inside, peaks, axis=AXIS, first_bin=bins.start)[0]
    return np.where(states < count, hz, 0.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_stream_equals_the_whole(seed: int) -> None:
    salience, costs = noisy(600, seed), TransitionCosts()
    expected = whole_path(salience, NARROW, costs)
    found = decoded(ViterbiDecoder(AXIS, within=NARROW), salience).f0_hz[0]
    assert 0.2 < (expected > 0).mean() < 0.999
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("block", [1, 63, 64, 200])
def test_blocks_of_any_length_give_the_same(block: int) -> None:
    salience = noisy(300)
    whole = decoded(ViterbiDecoder(AXIS, within=NARROW), salience)
    parts = decoded(ViterbiDecoder(AXIS, within=NARROW), salience, block)
    assert np.array_equal(parts.f0_hz, whole.f0_hz)
    assert np.array_equal(parts.confidence, whole.confidence)


def test_without_costs_each_frame_is_by_itself() -> None:
    salience = noisy(200)
    free = TransitionCosts(semitone=0, most=0, voicing=0)
    found = decoded(ViterbiDecoder(AXIS, within=NARROW, costs=free), salience)
    frames = decoded(PeakDecoder(AXIS, within=NARROW), salience)
    assert np.array_equal(found.f0_hz, frames.f0_hz)


def test_one_frame_of_the_octave_does_not_break_a_note() -> None:
    true = np.full(60, 220.0)
    salience = ridge(true, height=0.8)
    salience[:, 30] = np.maximum(ridge(true[:1], height=0.7), ridge(2 * true[:1]))[:, 0]
    framewise = decoded(PeakDecoder(AXIS, within=PitchRange()), salience).f0_hz[0]
    path = decoded(ViterbiDecoder(AXIS, within=PitchRange()), salience).f0_hz[0]
    assert cents(framewise[30], 440.0) == pytest.approx(0, abs=5)
    assert np.abs(cents(path, true)).max() < 5


def test_leap_that_lasts_is_followed() -> None:
    true = np.repeat([220.0, 440.0], 30)
    path = decoded(ViterbiDecoder(AXIS, within=PitchRange()), ridge(true)).f0_hz[0]
    assert np.abs(cents(path, true)).max() < 5


def test_what_waits_stays_bounded_where_paths_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pitches, equally strong for ever; leaving either costs more than it can give."""
    monkeypatch.setattr(viterbi, "_MOST_WAITING", 100)
    salience = ridge(np.full(1000, 220.0)) + ridge(np.full(1000, 330.0))
    decoder = ViterbiDecoder(AXIS, within=NARROW, costs=TransitionCosts(50, 500, 500))
    given = [decoder.push(salience[:, k : k + 1]).frames for k in range(1000)]
    assert 1000 - sum(given) <= 100 + 64
    path = decoded(ViterbiDecoder(AXIS, within=NARROW), salience).f0_hz[0]
    assert np.abs(cents(path, path[0])).max() < 1


def test_nothing_gives_nothing() -> None:
    assert ViterbiDecoder(AXIS, within=NARROW).finish().frames == 0
