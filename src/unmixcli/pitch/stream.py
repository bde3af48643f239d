"""What gives salience, as a stream of blocks."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from unmixcli.dsp.salience import SalienceAxis


class SalienceStream(Protocol):
    """Salience from audio, whatever the blocks it comes in.

    Frame `i` has its centre at `i * hop_samples / sample_rate`; a track of `n` samples has
    `1 + n // hop_samples` frames, one without samples none.

    Attributes:
        axis: of the bins.
        sample_rate: Hz of the blocks that it takes.
        hop_samples: between frames.
    """

    axis: SalienceAxis
    sample_rate: int
    hop_samples: int

    def reset(self) -> None:
        """Forget the track."""

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return `(bins, frames)` in 0..1 that are done."""

    def finish(self) -> Tensor:
        """Return the rest."""
