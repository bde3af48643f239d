"""What a method of harmonic/percussive separation is: masks of frames, from frames around them."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig

PAIR = ("harmonic", "percussive")
"""What every method tells apart, in this order."""

_KEPT_FRAMES = 512


class FrameMethod(Protocol):
    """A method that a separator can be made of."""

    @property
    def stft(self) -> STFTConfig:
        """The transform."""

    @property
    def chunks(self) -> ChunkConfig:
        """The grid, in frames.

        Its context is as far as a mask looks ahead and back, so that a stream has the masks of the
        whole; networks have what their cards say.
        """

    def masks(self, mix: Tensor) -> Tensor:
        """Masks of harmonic and percussive, in 0..1, summing to one at most.

        Shape: `(batch, channels, bins, frames)` complex to `(batch, 2, channels, bins, frames)`.
        """
        raise NotImplementedError


def exact_chunks(context: int) -> ChunkConfig:
    """A grid on which a method that looks `context` frames ahead and back loses nothing.

    Chunks end where the song ends, so that the method meets its edges and no others.
    """
    return ChunkConfig(length=_KEPT_FRAMES + 2 * context, context=context, fixed=False)


def odd(steps: float) -> int:
    """The odd number next to so many steps, at least 1."""
    return 2 * max(0, round((steps - 1) / 2)) + 1
