from __future__ import annotations

import numpy as np
import pytest

from unmixcli.audio.downmix import stereo_weights

HALF_POWER = np.sqrt(0.5)


def test_surround_follows_bs_775() -> None:
    names = ("FL", "FR", "FC", "LFE", "SL", "SR")
    weights = stereo_weights(6, names=names)
    left = np.array([1, 0, HALF_POWER, 0, HALF_POWER, 0])
    np.testing.assert_allclose(weights[0], left / left.sum(), rtol=1e-6)
    np.testing.assert_allclose(weights[1], weights[0][[1, 0, 2, 3, 5, 4]], rtol=1e-6)


@pytest.mark.parametrize("channels", range(3, 17))
def test_no_output_is_louder_than_the_loudest_channel(channels: int) -> None:
    weights = stereo_weights(channels)
    assert weights.shape == (2, channels)
    assert (weights >= 0).all()
    assert weights.sum(axis=1).max() == pytest.approx(1, abs=1e-6)


def test_unnamed_channels_beyond_the_usual_are_averaged_per_side() -> None:
    weights = stereo_weights(10)
    assert weights[0].tolist() == pytest.approx([0.2, 0] * 5)
    assert weights[1].tolist() == pytest.approx([0, 0.2] * 5)


def test_names_that_mean_nothing_in_stereo_are_averaged_per_side() -> None:
    assert stereo_weights(4, names=("TFL", "TFR", "TBL", "TBR"))[0].tolist() == [0.5, 0, 0.5, 0]
