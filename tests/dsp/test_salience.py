"""The axis of salience: maps to and from a linear one, and targets of known pitches."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from torch import Tensor

from unmixcli.dsp import salience
from unmixcli.dsp.salience import SalienceAxis, salience_targets, to_linear, to_log

AXIS = SalienceAxis()
STFT = {"bins": 513, "sample_rate": 22050, "n_fft": 1024}


def linear_hz() -> Tensor:
    return torch.arange(513) * (22050 / 1024)


def test_examples() -> None:
    assert doctest.testmod(salience).failed == 0


@pytest.mark.parametrize("harmonic", [0.5, 1.0, 3.0, 5.0])
def test_rows_sum_to_one_where_the_other_axis_reaches(harmonic: float) -> None:
    log = to_log(AXIS, **STFT, harmonic=harmonic)
    linear = to_linear(AXIS, **STFT, harmonic=harmonic)
    assert log.shape == (360, 513)
    assert linear.shape == (513, 360)
    reached = torch.from_numpy(AXIS.frequencies) * harmonic <= 11025
    torch.testing.assert_close(log.sum(1), reached.float())
    on_axis = torch.from_numpy(AXIS.bin_of(np.maximum(linear_hz().numpy() / harmonic, 1e-9)))
    torch.testing.assert_close(linear.sum(1), ((on_axis >= 0) & (on_axis <= 359)).float())


def test_what_lies_beyond_the_transform_is_zero() -> None:
    rows = to_log(AXIS, **STFT, harmonic=8.0).sum(1)
    reached = AXIS.frequencies * 8 <= 11025
    assert not reached.all()
    assert rows.tolist() == pytest.approx(reached.astype(float))


def test_a_straight_line_over_frequency_is_read_exactly() -> None:
    """Bilinear means that: weights of two neighbours give back any straight line."""
    hz = to_log(AXIS, **STFT) @ linear_hz()
    fine = AXIS.frequencies < 1800
    torch.testing.assert_close(hz[fine], torch.from_numpy(AXIS.frequencies[fine]).float())


def test_the_harmonic_is_the_octave_above() -> None:
    low, high = to_log(AXIS, **STFT, harmonic=2.0), to_log(AXIS, **STFT)
    # Not to the last octave: rows of triangles are wider there.
    torch.testing.assert_close(low[:280], high[60:340], atol=1e-5, rtol=0)


@pytest.mark.parametrize("f0", [47.3, 110.0, 233.1, 440.0, 1234.5])
def test_a_pitch_is_still_there_on_the_linear_axis_and_back(f0: float) -> None:
    curve = salience_targets(torch.tensor([[f0]]), axis=AXIS)
    spectrum = to_linear(AXIS, **STFT) @ curve
    spacing = 22050 / 1024
    assert abs(float(linear_hz()[spectrum[:, 0].argmax()]) - f0) <= spacing
    assert spectrum.max() > 0.02
    back = to_log(AXIS, **STFT) @ spectrum
    assert abs(AXIS.frequencies[back[:, 0].argmax()] - f0) <= spacing


def test_no_bin_of_the_axis_is_lost() -> None:
    """Each pitch between two bins of the transform has a weight in one of them."""
    weights = to_linear(AXIS, **STFT).sum(0)
    assert (weights > 0).all()


def test_targets_are_a_gaussian_of_the_stated_width() -> None:
    f0 = float(AXIS.frequencies[100])
    for sigma in (1.0, 2.5):
        column = salience_targets(np.array([[f0]]), axis=AXIS, sigma_bins=sigma)[:, 0]
        away = torch.arange(360) - 100.0
        torch.testing.assert_close(column, torch.exp(-0.5 * (away / sigma) ** 2))
    assert column.dtype == torch.float32


def test_targets_of_lines_are_their_maximum_and_nothing_without_pitch() -> None:
    first, second = torch.tensor([[220.0, 0.0, -1.0]]), torch.tensor([[226.0, 331.0, float("nan")]])
    both = salience_targets(torch.cat((first, second)), axis=AXIS)
    alone = [salience_targets(line, axis=AXIS) for line in (first, second)]
    assert torch.equal(both, torch.maximum(*alone))
    assert torch.equal(both[:, 1], alone[1][:, 1])
    assert not both[:, 2].any()
    assert salience_targets(torch.zeros(0, 4), axis=AXIS).shape == (360, 4)
