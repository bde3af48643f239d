"""Float samples to integers with triangular dither.

Source: S. P. Lipshitz, R. A. Wannamaker, J. Vanderkooy, "Quantization and Dither: A Theoretical
Survey", J. Audio Eng. Soc. 40(5), 1992: noise of triangular density, two steps wide, makes mean
and variance of the rounding error independent of the signal.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from unmixcli.audio.blocks import Block


class Dither:
    """Quantise the blocks of one stem to ``bits`` bits; the same numbers in every run.

    The noise of a block follows from ``seed``, ``name`` and the block's number alone. A sample
    that lies exactly on a step is kept as it is: digital silence stays silence, and a 16-bit
    source that passes through unchanged comes out bit for bit.
    """

    def __init__(self, bits: int, *, seed: int, name: str) -> None:
        self._steps = 2.0 ** (bits - 1)
        self._key = (seed % 2**64) << 64 | zlib.crc32(name.encode("utf-8", "surrogateescape"))

    def quantise(self, block: Block, *, number: int) -> npt.NDArray[np.int32]:
        """Integers of the shape of ``block``, limited to what ``bits`` bits hold."""
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=number << 128))
        scaled = block.astype(np.float64) * self._steps
        first, second = generator.random((2, *block.shape), dtype=np.float32)
        rounded = np.rint(scaled)
        dithered = np.where(scaled == rounded, scaled, np.rint(scaled + (first - second)))
        return np.clip(dithered, -self._steps, self._steps - 1).astype(np.int32)
