from __future__ import annotations

import numpy as np
import pytest

from unmixcli.audio.dither import Dither

STEP = 2.0**-15


def test_the_mean_and_variance_of_the_error_do_not_depend_on_the_signal() -> None:
    """Triangular dither: mean 0 and variance 1/12 + 2/12 steps squared, at every level."""
    for level in (0.1, 0.25, 0.5, 0.9, 1000.3):
        block = np.full((1, 200_000), level * STEP, np.float32)
        out = Dither(16, seed=1, name="a").quantise(block, number=0)
        error = out[0] - block[0].astype(np.float64) / STEP
        assert abs(error.mean()) < 0.01
        assert abs(error.var() - 0.25) < 0.01


def test_samples_on_a_step_are_kept() -> None:
    steps = np.arange(-32768, 32768, dtype=np.int32)
    block = (steps / 32768).astype(np.float32)[np.newaxis]
    np.testing.assert_array_equal(Dither(16, seed=0, name="a").quantise(block, number=5)[0], steps)


@pytest.mark.parametrize("bits", [16, 24])
def test_beyond_full_scale_is_limited(bits: int) -> None:
    out = Dither(bits, seed=0, name="a").quantise(np.float32([[2.0, 1.0, -1.0, -2.0]]), number=0)
    top = 2 ** (bits - 1)
    assert out.tolist() == [[top - 1, top - 1, -top, -top]]


def test_noise_differs_by_seed_name_and_number_and_by_nothing_else() -> None:
    block = np.full((2, 1000), 0.3 * STEP, np.float32)

    def run(seed: int, name: str, number: int) -> bytes:
        return Dither(16, seed=seed, name=name).quantise(block, number=number).tobytes()

    assert run(0, "a", 0) == run(0, "a", 0)
    assert len({run(0, "a", 0), run(1, "a", 0), run(0, "b", 0), run(0, "a", 1)}) == 4
