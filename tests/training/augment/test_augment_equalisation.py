"""Shelves and peaks: gains where theory puts them, parity with a recursion in time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from unmixcli.training.augment.equalisation import Band, coefficients, filtered, response

RATE = 16000
BINS = 8001  # one a Hz
BANDS = [
    Band("low_shelf", 200.0, 9.0),
    Band("low_shelf", 200.0, -9.0),
    Band("peak", 1000.0, 6.0, 2.0),
    Band("peak", 1000.0, -12.0, 0.5),
    Band("high_shelf", 3000.0, 5.0),
    Band("high_shelf", 3000.0, -5.0),
]


def gain_db(bands: list[Band], frequency_hz: int) -> float:
    gains = response(bands, sample_rate=RATE, bins=BINS)
    return 20 * math.log10(abs(complex(gains[frequency_hz])))


@pytest.mark.parametrize("band", BANDS)
def test_gains_are_where_they_belong(band: Band) -> None:
    at = {"low_shelf": (0, 8000), "peak": (1000, 0), "high_shelf": (8000, 0)}[band.kind]
    assert gain_db([band], at[0]) == pytest.approx(band.gain_db, abs=1e-6)
    assert gain_db([band], at[1]) == pytest.approx(0.0, abs=1e-6)
    if band.kind != "peak":
        # Half of the gain in dB in the middle of the slope.
        middle = gain_db([band], round(band.frequency_hz))
        assert middle == pytest.approx(band.gain_db / 2, abs=1e-6)


def test_bands_add_in_db() -> None:
    for hz in (50, 500, 5000):
        assert gain_db(BANDS, hz) == pytest.approx(sum(gain_db([b], hz) for b in BANDS), abs=1e-9)


@pytest.mark.parametrize("band", BANDS)
def test_equals_the_recursion(band: Band) -> None:
    signal = torch.randn((2, 5001), generator=torch.Generator().manual_seed(0))
    numerator, denominator = coefficients(band, sample_rate=RATE)
    expected = lfilter(numerator, denominator, signal.double().numpy())
    ours = filtered(signal, bands=[band], sample_rate=RATE).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_opposite_gains_cancel() -> None:
    signal = torch.randn((1, 4000), generator=torch.Generator().manual_seed(0))
    pair = [Band("peak", 700.0, 10.0, 1.0), Band("peak", 700.0, -10.0, 1.0)]
    torch.testing.assert_close(
        filtered(signal, bands=pair, sample_rate=RATE), signal, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("frequency_hz", [0.0, 8000.0])
def test_frequencies_without_a_filter_are_refused(frequency_hz: float) -> None:
    with pytest.raises(ValueError, match="frequency_hz must lie"):
        coefficients(Band("peak", frequency_hz, 3.0), sample_rate=RATE)
