"""Salience to pitch, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from pitch.ridges_for_tests import AXIS, cents, decoded, ridge
from unmixcli.errors import UsageError
from unmixcli.pitch.decode import PeakDecoder, PitchRange, refined_hz


def test_ridge_gives_its_pitch_within_5_cents() -> None:
    true = np.geomspace(40, 1900, 500)
    lines = decoded(PeakDecoder(AXIS, within=PitchRange()), ridge(true))
    assert lines.f0_hz.shape == (1, 500)
    assert np.abs(cents(lines.f0_hz[0], true)).max() < 5
    # Finer than the bins, which would be off by up to 10.
    nearest = AXIS.frequency_of(np.round(AXIS.bin_of(true)))
    assert np.abs(cents(nearest, true)).max() > 9


def test_refinement_is_the_weighted_mean_of_nine_bins() -> None:
    salience = np.random.default_rng(0).random((AXIS.bins, 1))
    bins = np.arange(96, 105)
    place = (salience[bins, 0] * bins).sum() / salience[bins, 0].sum()
    found = refined_hz(salience, np.array([[100]]), axis=AXIS)
    assert found == pytest.approx(AXIS.frequency_of(place), rel=1e-12)


def test_peak_at_the_end_of_the_axis_is_not_pulled_inwards() -> None:
    ends = AXIS.frequencies[[0, -1]]
    lines = decoded(PeakDecoder(AXIS, within=PitchRange()), ridge(ends))
    assert lines.f0_hz[0] == pytest.approx(ends)


def test_voiced_from_the_threshold_on() -> None:
    salience = np.zeros((AXIS.bins, 3))
    salience[100] = (0.39, 0.4, 0.41)
    lines = decoded(PeakDecoder(AXIS, within=PitchRange(threshold=0.4)), salience)
    assert (lines.f0_hz[0] > 0).tolist() == [False, True, True]
    np.testing.assert_allclose(lines.confidence[0], (0.39, 0.4, 0.41))


def test_pitch_outside_the_range_is_not_seen() -> None:
    salience = np.maximum(ridge(np.full(4, 110.0)), ridge(np.full(4, 440.0), height=0.6))
    low = decoded(PeakDecoder(AXIS, within=PitchRange()), salience)
    high = decoded(PeakDecoder(AXIS, within=PitchRange(f_min_hz=200)), salience)
    none = decoded(PeakDecoder(AXIS, within=PitchRange(f_min_hz=200, f_max_hz=300)), salience)
    assert np.abs(cents(low.f0_hz, 110.0)).max() < 5
    assert np.abs(cents(high.f0_hz, 440.0)).max() < 5
    assert not none.f0_hz.any()


def test_range_holds_the_bins_at_its_ends() -> None:
    low, high = AXIS.frequencies[[60, 120]]
    assert PitchRange(f_min_hz=low, f_max_hz=high).bins(AXIS) == slice(60, 121)
    assert PitchRange().bins(AXIS) == slice(0, AXIS.bins)


@pytest.mark.parametrize(("low", "high"), [(3000, None), (None, 20), (441, 442)])
def test_range_without_a_bin_is_refused(low: float | None, high: float | None) -> None:
    with pytest.raises(UsageError, match="no bin of the salience"):
        PitchRange(f_min_hz=low, f_max_hz=high).bins(AXIS)


def test_silence_is_unvoiced() -> None:
    lines = decoded(PeakDecoder(AXIS, within=PitchRange()), np.zeros((AXIS.bins, 7)))
    assert not lines.f0_hz.any()
    assert not lines.confidence.any()
