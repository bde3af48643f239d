"""The desk, the limiter, and the labels of activity."""

from __future__ import annotations

import numpy as np
import pytest

from unmixcli.data.render.activity import active_intervals, activity_csv
from unmixcli.data.render.effects import (
    compressed,
    made_up_impulse,
    placed,
    saturated,
    tilted,
    unit_energy,
    with_reverb,
)
from unmixcli.data.render.mixing import PEAK, limited
from unmixcli.data.render.notes import Audio
from unmixcli.data.render.take import at_level, level_of

RATE = 44100


def sine(frequency_hz: float, seconds: float = 1.0) -> Audio:
    wave = np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave]).astype(np.float32)


def gain_db(before: Audio, after: Audio) -> float:
    settled = slice(RATE // 2, None)
    ratio = np.sqrt(np.mean(after[:, settled] ** 2) / np.mean(before[:, settled] ** 2))
    return 20 * float(np.log10(ratio))


@pytest.mark.parametrize(("low_db", "high_db"), [(6.0, 0.0), (-6.0, 3.0), (0.0, 0.0), (2.0, -4.0)])
def test_shelves_raise_and_lower_the_ends_of_the_band(low_db: float, high_db: float) -> None:
    for frequency_hz, expected in ((30.0, low_db), (800.0, 0.0), (15000.0, high_db)):
        before = sine(frequency_hz)
        after = tilted(before, low_db=low_db, high_db=high_db, sample_rate=RATE)
        assert gain_db(before, after) == pytest.approx(expected, abs=0.6)


def test_a_compressor_brings_loud_and_soft_closer() -> None:
    sound = np.concatenate([0.1 * sine(300), sine(300)], axis=1)
    after = compressed(sound, threshold_db=-12, ratio=4.0, release_s=0.1, sample_rate=RATE)
    before_db = gain_db(sound[:, :RATE], sound[:, RATE:])
    assert gain_db(after[:, :RATE], after[:, RATE:]) == pytest.approx(before_db - 9, abs=1)
    gentle = compressed(sound, threshold_db=-12, ratio=1.0, release_s=0.1, sample_rate=RATE)
    np.testing.assert_allclose(gentle, sound, rtol=1e-5)


def test_saturation_spares_small_signals() -> None:
    sound = np.concatenate([0.01 * sine(300), sine(300)], axis=1)
    after = saturated(sound, drive=1.0)
    np.testing.assert_allclose(after[:, :RATE], sound[:, :RATE], atol=1e-5)
    assert np.abs(after).max() < 0.8
    assert saturated(sound, drive=0.0) is sound


def test_a_click_comes_back_as_the_room() -> None:
    impulse = made_up_impulse(np.random.default_rng(0), seconds=0.5, sample_rate=RATE)
    assert np.sum(impulse**2) == pytest.approx(2.0, rel=1e-3)
    click = np.zeros((2, RATE), np.float32)
    click[:, 100] = 1.0
    echo = with_reverb(click, impulse, wet=0.5) - click
    np.testing.assert_allclose(echo[:, 100 : 100 + impulse.shape[1]], 0.5 * impulse, atol=1e-5)
    assert with_reverb(click, impulse, wet=0.0) is click
    assert np.sum(unit_energy(3 * impulse) ** 2) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("place", [-1.0, -0.3, 0.0, 0.8, 1.0])
def test_places_keep_the_power(place: float) -> None:
    sound = sine(500)
    assert np.sum(placed(sound, place) ** 2) == pytest.approx(np.sum(sound**2), rel=1e-4)


@pytest.mark.parametrize("drive_db", [0.0, 3.0, 9.0])
def test_the_limiter_gives_all_stems_one_gain(drive_db: float) -> None:
    random = np.random.default_rng(4)
    swell = np.linspace(0.05, 1.0, RATE, dtype=np.float32)
    stems = {name: (random.standard_normal((2, RATE)) * swell).astype(np.float32) for name in "abc"}
    done = limited(stems, drive_db=drive_db)
    mix = np.sum(list(done.values()), axis=0)
    assert np.abs(mix).max() <= PEAK * 1.0001
    assert np.abs(mix).max() > 0.5
    gains = [done[name] / stems[name] for name in "abc"]
    for gain in gains:
        np.testing.assert_allclose(gain[0], gains[0][1], rtol=1e-3)
    assert all(np.abs(stem).max() <= 1 for stem in done.values())


def test_silence_stays_silence() -> None:
    silence = {"a": np.zeros((2, 9000), np.float32)}
    assert not limited(silence, drive_db=3.0)["a"].any()
    assert level_of(silence["a"]) == 0.0
    assert not at_level(silence["a"], 0.1).any()
    assert active_intervals(silence["a"], sample_rate=RATE) == []


def test_levels_are_those_of_what_sounds() -> None:
    sound = np.concatenate([np.zeros((2, 4 * 4096), np.float32), 0.2 * sine(441)], axis=1)
    assert level_of(sound) == pytest.approx(0.2 / np.sqrt(2), rel=0.05)
    assert level_of(at_level(sound, 0.03)) == pytest.approx(0.03, rel=1e-3)


def test_activity_is_when_it_sounds() -> None:
    sound = np.zeros((2, 6 * RATE), np.float32)
    for start, end in ((1.0, 2.0), (2.1, 2.6), (4.0, 6.0)):
        sound[:, round(start * RATE) : round(end * RATE)] = 0.1
    intervals = active_intervals(sound, sample_rate=RATE)
    np.testing.assert_allclose(intervals, [(1.0, 2.6), (4.0, 6.0)], atol=0.021)
    csv = activity_csv({"vocals": sound, "bass": 0 * sound}, sample_rate=RATE)
    assert csv.splitlines() == [
        "start_s,end_s,stem",
        "1.0000,2.6000,vocals",
        "4.0000,6.0000,vocals",
    ]
