"""Compressor and limiter: static curves, ceilings, one gain for all channels."""

from __future__ import annotations

import math

import pytest
import torch

from unmixcli.training.augment.draw import Draw
from unmixcli.training.augment.dynamics import Compressor, compressed, held, limited, limiting

RATE = 8000


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_held_peaks_fall_steadily() -> None:
    level = torch.tensor([[0.0, 10.0, 0.0, 0.0, 8.0, 0.0]])
    expected = torch.tensor([[0.0, 10.0, 9.0, 8.0, 8.0, 7.0]])
    torch.testing.assert_close(held(level, fall_db=1.0), expected)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("above_db", [-6.0, 0.0, 12.0])
def test_steady_levels_follow_the_static_curve(ratio: float, above_db: float) -> None:
    settings = Compressor(threshold_db=-20.0, ratio=ratio)
    signal = torch.full((2, RATE), 10 ** ((-20.0 + above_db) / 20))
    out = compressed(signal, settings=settings, sample_rate=RATE)
    change_db = 20 * math.log10(out[0, -1] / signal[0, -1])
    assert change_db == pytest.approx(-max(above_db, 0) * (1 - 1 / ratio), abs=1e-3)
    assert (out <= signal * (1 + 1e-6)).all()


def test_gain_falls_with_the_attack_and_returns_with_the_release() -> None:
    settings = Compressor(-20.0, math.inf, attack_s=0.01, fall_db_per_s=100.0)
    signal = torch.full((1, RATE), 0.01)
    signal[:, 2000:4000] = 1.0
    out = compressed(signal, settings=settings, sample_rate=RATE)
    reduction_db = -20 * (out / signal).log10()[0]
    assert reduction_db[1999] == pytest.approx(0, abs=1e-4)
    # After one time constant of 80 samples 1 - 1/e of 20 dB.
    assert reduction_db[2079] == pytest.approx(20 * (1 - math.exp(-1)), abs=0.2)
    assert reduction_db[3999] == pytest.approx(20, abs=0.02)
    assert 0 < reduction_db[5000] < 20
    # 20 dB take 0.2 s, 1600 samples.
    assert reduction_db[6500] == pytest.approx(0, abs=0.01)


def test_channels_share_the_gain() -> None:
    signal = noise(2, 4000) * torch.tensor([[1.0], [0.01]])
    out = compressed(signal, settings=Compressor(-20.0, 4.0), sample_rate=RATE)
    torch.testing.assert_close(out[0] / signal[0], out[1] / signal[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("ceiling", [0.05, 0.5, 10.0])
@pytest.mark.parametrize("samples", [1, 20, 4000])
def test_limiter_keeps_below_the_ceiling(ceiling: float, samples: int) -> None:
    signal = noise(2, samples)
    out = limited(signal, ceiling=ceiling, sample_rate=RATE)
    assert out.abs().max() <= ceiling * (1 + 1e-6)
    if ceiling == 10.0:
        assert torch.equal(out, signal)


def test_limiter_sees_a_peak_coming_and_does_not_clip_it() -> None:
    signal = torch.full((1, 4000), 0.1)
    signal[0, 2000] = 1.0
    out = limited(signal, ceiling=0.5, sample_rate=RATE, lookahead_s=0.005)
    gains = (out / signal)[0]
    assert gains[2000] == pytest.approx(0.5, abs=1e-3)
    assert gains[1999] < 0.52
    # The look-ahead is 40 samples, the mean over as many begins with it.
    assert gains[1959] == pytest.approx(1.0, abs=1e-6)
    assert gains[1961] < 1
    assert (gains.diff().abs() < 0.03).all()


def test_each_signal_of_a_batch_has_its_ceiling() -> None:
    signal = noise(3, 2, 4000) * torch.tensor([1.0, 0.1, 0.0])[:, None, None]
    draw = Draw(RATE, 1.0, torch.Generator().manual_seed(0))
    out = limiting(signal, draw)
    peaks, before = out.abs().amax((1, 2)), signal.abs().amax((1, 2))
    assert (peaks[:2] < before[:2]).all()
    assert peaks[0] / before[0] == pytest.approx(float(peaks[1] / before[1]), rel=1e-4)
    assert peaks[2] == 0
    assert (out.abs() <= signal.abs() * (1 + 1e-6)).all()
