"""pYIN and SwiftF0 as streams."""

from __future__ import annotations

import numpy as np
import pytest

from pitch.ridges_for_tests import cents
from unmixcli.errors import ResourceError, UsageError
from unmixcli.pitch import trackers
from unmixcli.pitch.f0 import Lines, join_lines
from unmixcli.pitch.finder import TrackerMethod
from unmixcli.pitch.trackers import (
    PACKAGES,
    PyinTracker,
    TrackerOptions,
    check_tracker,
    open_tracker,
)

# pYIN takes the longer the wider the range.
RANGE = {"f_min_hz": 140.0, "f_max_hz": 640.0}


def sweep(rate: int, seconds: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """From 150 to 600 Hz with four harmonics, `(1, samples)`, and its pitch at each sample."""
    times = np.arange(round(rate * seconds)) / rate
    f0_hz = 150 * 4 ** (times / seconds)
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate
    wave = sum(np.sin(k * phase) / k for k in range(1, 5))
    return (0.2 * wave)[None].astype(np.float32), f0_hz


def tracked(name: str, samples: np.ndarray, block: int | None = None, **given: object) -> Lines:
    tracker = open_tracker(name, TrackerOptions(**{**RANGE, **given}))
    block = block or samples.shape[1]
    parts = [
        tracker.push(samples[:, start : start + block])
        for start in range(0, samples.shape[1], block)
    ]
    return join_lines([*parts, tracker.finish()])


@pytest.mark.parametrize("name", PACKAGES)
def test_sweep_within_20_cents(name: str) -> None:
    tracker = open_tracker(name, TrackerOptions())
    samples, f0_hz = sweep(tracker.sample_rate)
    lines = tracked(name, samples)
    true = f0_hz[np.minimum(np.arange(lines.frames) * tracker.hop_samples, len(f0_hz) - 1)]
    # The first and last frames see silence.
    voiced = (lines.f0_hz[0] > 0)[8:-8]
    assert voiced.mean() > 0.95
    errors = cents(lines.f0_hz[0, 8:-8], true[8:-8])[voiced]
    assert np.abs(errors).max() < 20


@pytest.mark.parametrize("name", PACKAGES)
def test_blocks_of_any_length_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PyinTracker, "_INNER_FRAMES", 60)
    monkeypatch.setattr(PyinTracker, "_CONTEXT_FRAMES", 20)
    samples, _ = sweep(22050 if name == "pyin" else 16000)
    whole = tracked(name, samples)
    for block in (997, 16384):
        parts = tracked(name, samples, block)
        assert np.array_equal(parts.f0_hz, whole.f0_hz)
        assert np.array_equal(parts.confidence, whole.confidence)


def test_windows_of_pyin_change_nothing_in_a_clear_tone(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, _ = sweep(22050)
    whole = tracked("pyin", samples)
    assert whole.frames == 1 + samples.shape[1] // 256
    monkeypatch.setattr(PyinTracker, "_INNER_FRAMES", 60)
    windows = tracked("pyin", samples)
    assert windows.frames == whole.frames
    np.testing.assert_allclose(windows.f0_hz[:, 8:-8], whole.f0_hz[:, 8:-8])


@pytest.mark.parametrize("name", PACKAGES)
def test_silence_and_noise_have_no_pitch(name: str) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 40000))
    for samples in (np.zeros((1, 20000)), noise):
        method = TrackerMethod(open_tracker(name, TrackerOptions(**RANGE)))
        found = [method.push(samples.astype(np.float32)).f0, method.finish().f0]
        assert not join_lines(found).f0_hz.any()


@pytest.mark.parametrize("name", PACKAGES)
def test_threshold_is_of_the_confidence(name: str) -> None:
    samples, _ = sweep(22050 if name == "pyin" else 16000)
    usual = tracked(name, samples)
    middle = float(np.median(usual.confidence))
    lines = tracked(name, samples, threshold=middle)
    assert np.array_equal(lines.f0_hz > 0, lines.confidence >= middle)


@pytest.mark.parametrize("name", PACKAGES)
def test_range_is_kept(name: str) -> None:
    samples, _ = sweep(22050 if name == "pyin" else 16000)
    found = tracked(name, samples, f_min_hz=200.0, f_max_hz=300.0).f0_hz
    voiced = found[found > 0]
    assert voiced.size
    assert voiced.min() > 190
    assert voiced.max() < 315


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_gives_nothing(name: str) -> None:
    assert open_tracker(name, TrackerOptions()).finish().frames == 0


@pytest.mark.parametrize(("name", "low"), [("pyin", 10.0), ("swiftf0", 30.0)])
def test_pitch_out_of_reach_is_refused(name: str, low: float) -> None:
    with pytest.raises(UsageError, match=f"--fmin {low:g} .* {name} finds pitch from"):
        check_tracker(name, TrackerOptions(f_min_hz=low))


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "PACKAGES", {"pyin": "no-such-package"})
    with pytest.raises(ResourceError, match=r"no-such-package.*pip install 'unmixcli\[pitch\]'"):
        check_tracker("pyin", TrackerOptions())
