"""Streaming sample-rate conversion by soxr at its quality "VHQ".

VHQ and HQ take the same time within a fraction (both hundreds of times faster than real time),
so there is one quality. soxr compensates its own delay, and its stream is bitwise the same for
every way of cutting the input into blocks.
"""

from __future__ import annotations

import numpy as np
import soxr

from unmixcli.audio.blocks import Block

QUALITY = "VHQ"


def resampled_length(samples: int, *, from_rate: int, to_rate: int) -> int:
    """Samples after conversion: ``ceil(samples * to_rate / from_rate)``.

    Rounded up, so that there and back never gives fewer samples than there were.
    """
    return -(-samples * to_rate // from_rate)


class Resampler:
    """Convert a stream of blocks ``(channels, samples)`` from one rate in Hz to another.

    The concatenation of every ``push`` and of ``finish`` is ``resampled_length`` long and
    starts where the input starts. Equal rates hand the blocks through untouched.

    Raises ``ValueError`` where a rate or the channel count is below 1.
    """

    def __init__(self, from_rate: int, *, to_rate: int, channels: int) -> None:
        if min(from_rate, to_rate, channels) < 1:
            raise ValueError(f"rates and channels start at 1: {from_rate}, {to_rate}, {channels}")
        self.from_rate = from_rate
        self.to_rate = to_rate
        self.channels = channels
        self._taken = 0
        self._given = 0
        self._stream = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(
                from_rate, to_rate, channels, dtype="float32", quality=QUALITY
            )

    def push(self, block: Block) -> Block:
        """Take a block ``(channels, n)``; give what is ready, often less or nothing at first."""
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(f"expected ({self.channels}, samples), not {block.shape}")
        if self._stream is None:
            return block
        self._taken += block.shape[1]
        return self._convert(block, last=False)

    def finish(self) -> Block:
        """The rest of the stream; afterwards the resampler is used up."""
        if self._stream is None or not self._taken:
            return np.zeros((self.channels, 0), np.float32)
        length = resampled_length(self._taken, from_rate=self.from_rate, to_rate=self.to_rate)
        missing = length - self._given
        # soxr itself ends at the rounded length; silence behind the end brings the last sample.
        silence = np.zeros((self.channels, -(-self.from_rate // self.to_rate)), np.float32)
        return self._convert(silence, last=True)[:, :missing]

    def _convert(self, block: Block, *, last: bool) -> Block:
        interleaved = np.ascontiguousarray(block.T, dtype=np.float32)
        assert self._stream is not None
        output: Block = self._stream.resample_chunk(interleaved, last=last).T
        self._given += output.shape[1]
        return output


def resample(array: Block, *, from_rate: int, to_rate: int) -> Block:
    """Convert a whole array ``(channels, samples)``; equal to the stream, bit for bit."""
    resampler = Resampler(from_rate, to_rate=to_rate, channels=array.shape[0])
    return np.concatenate([resampler.push(array), resampler.finish()], axis=1)
