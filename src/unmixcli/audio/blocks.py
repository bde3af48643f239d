"""Blocks: samples on their way, numpy float32 of shape ``(channels, samples)``, any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Block: TypeAlias = npt.NDArray[np.float32]


class Reblock:
    """Cut a stream of blocks of any length into blocks of ``samples`` samples.

    What follows then no longer depends on how the stream arrived.
    """

    def __init__(self, samples: int) -> None:
        if samples < 1:
            raise ValueError(f"a block holds at least 1 sample, not {samples}")
        self._samples = samples
        self._pending: list[Block] = []
        self._count = 0

    def push(self, block: Block) -> Iterator[Block]:
        """Take a block ``(channels, n)``; give every block that is complete."""
        self._pending.append(block)
        self._count += block.shape[1]
        if self._count < self._samples:
            return
        joined = np.concatenate(self._pending, axis=1)
        whole = self._count - self._count % self._samples
        # A copy, so that the rest neither keeps the large array alive nor belongs to the caller.
        self._pending = [joined[:, whole:].copy()]
        self._count -= whole
        for start in range(0, whole, self._samples):
            yield joined[:, start : start + self._samples]

    def rest(self) -> Block | None:
        """The last, shorter block; None if nothing is left."""
        if not self._count:
            return None
        joined = np.concatenate(self._pending, axis=1)
        self._pending, self._count = [], 0
        return joined
