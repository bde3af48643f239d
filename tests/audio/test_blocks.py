from __future__ import annotations

import numpy as np
import pytest

from unmixcli.audio.blocks import Reblock


@pytest.mark.parametrize("given", [1, 7, 64, 1000])
@pytest.mark.parametrize("wanted", [1, 64, 999, 1000, 1001])
def test_reblocking_keeps_the_samples_and_cuts_them_evenly(given: int, wanted: int) -> None:
    stream = np.arange(2000, dtype=np.float32).reshape(2, 1000)
    reblock = Reblock(wanted)
    parts = [
        part
        for start in range(0, 1000, given)
        for part in reblock.push(stream[:, start : start + given])
    ]
    assert [part.shape[1] for part in parts] == [wanted] * (1000 // wanted)
    rest = reblock.rest()
    if rest is not None:
        assert 0 < rest.shape[1] < wanted
        parts.append(rest)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), stream)
    assert reblock.rest() is None


def test_a_block_of_no_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Reblock(0)
