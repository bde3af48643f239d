"""A separator at the rate, channels and length of the track, giving the outputs asked for.

Blocks of any length come in; they are cut again on a fixed grid, so that everything after depends
on the samples alone and the result is the same to the bit however the track was cut. The network
sees the track at its own rate and channels; its stems come back resampled and are combined with
the mix itself, so that outputs of a complete set sum to the mix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from unmixcli.audio.resample import Resampler
from unmixcli.separation.separator import Separator
from unmixcli.separation.stems import OutputPlan
from unmixcli.separation.transfer import Downloads

GRID_SAMPLES = 1 << 16


class Engine:
    """Blocks of a mix in, blocks of outputs out; itself a separator, at the track's rate.

    Args:
        separator: gives the stems that `plan` computes.
        plan: outputs as sums.
        sample_rate: of the track, Hz.
        channels: of the track, 1 or 2.
    """

    def __init__(
        self, separator: Separator, *, plan: OutputPlan, sample_rate: int, channels: int
    ) -> None:
        self.stems = plan.outputs
        self.sample_rate = sample_rate
        self.channels = channels
        self._separator = separator
        self._weights = torch.tensor(plan.weights, dtype=torch.float32)
        self._computed = len(plan.computed)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._separator.reset()
        rate, model_rate = self.sample_rate, self._separator.sample_rate
        self._inward = Resampler(rate, to_rate=model_rate, channels=self.channels)
        stem_channels = max(1, self._computed) * self.channels
        self._outward = Resampler(model_rate, to_rate=rate, channels=stem_channels)
        self._downloads = Downloads()
        self._pending = _Queue(self.channels)
        self._mix = _Queue(self.channels)
        self._stems = _Queue(stem_channels)
        self._received = 0
        self._delivered = 0

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(outputs, channels, samples)` that are done."""
        # A copy, for callers may use their buffer again.
        block = torch.as_tensor(block).to(torch.float32, copy=True)
        if block.dim() != 2 or block.shape[0] != self.channels:
            raise ValueError(f"expected ({self.channels}, samples), not {tuple(block.shape)}")
        self._pending.append(block)
        outputs = [self._grid_block(part) for part in self._pending.pop_whole(GRID_SAMPLES)]
        return self._joined(outputs)

    def finish(self) -> Tensor:
        """Return the rest."""
        outputs = [self._grid_block(self._pending.pop(len(self._pending)))]
        if self._computed and self._received:
            rest = torch.from_numpy(self._inward.finish())
            for stems in (self._separator.push(self._to_model(rest)), self._separator.finish()):
                self._append_stems(self._downloads.push(stems))
            self._append_stems(self._downloads.finish())
            self._stems.append(torch.from_numpy(self._outward.finish()))
        self._pad_stems()
        outputs.append(self._combined())
        return self._joined(outputs)

    def stream(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Separate a track from its blocks."""
        for block in blocks:
            yield self.push(block)
        yield self.finish()

    def _grid_block(self, block: Tensor) -> Tensor:
        self._received += block.shape[-1]
        self._mix.append(block)
        if self._computed and block.shape[-1]:
            resampled = torch.from_numpy(self._inward.push(block.numpy()))
            stems = self._separator.push(self._to_model(resampled))
            self._append_stems(self._downloads.push(stems))
        return self._combined()

    def _append_stems(self, arrived: Iterable[Tensor]) -> None:
        for stems in arrived:
            flat = self._from_model(stems).flatten(0, 1)
            self._stems.append(torch.from_numpy(self._outward.push(flat.numpy())))

    def _to_model(self, block: Tensor) -> Tensor:
        if self.channels == 1 and self._separator.channels == 2:
            return block.expand(2, -1)
        return block

    def _from_model(self, stems: Tensor) -> Tensor:
        if self.channels == 1 and stems.shape[1] == 2:
            return stems.mean(dim=1, keepdim=True)
        return stems

    def _pad_stems(self) -> None:
        """Make up for the sample by which two resamplings may differ."""
        missing = len(self._mix) - len(self._stems)
        if missing > 0:
            self._stems.append(torch.zeros(self._stems.channels, missing))

    def _combined(self) -> Tensor:
        ready = min(len(self._mix), len(self._stems)) if self._computed else len(self._mix)
        mix = self._mix.pop(ready)
        if not self._computed:
            return self._weights[:, 0, None, None] * mix
        stems = self._stems.pop(ready).unflatten(0, (self._computed, self.channels))
        outputs = torch.einsum("os,scn->ocn", self._weights[:, 1:], stems)
        return outputs.add_(self._weights[:, 0, None, None] * mix)

    def _joined(self, outputs: list[Tensor]) -> Tensor:
        if not outputs:
            return torch.zeros(len(self.stems), self.channels, 0)
        return torch.cat(outputs, dim=-1)


class _Queue:
    """Samples `(channels, n)` in, samples out, in other lengths."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._blocks: list[Tensor] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, block: Tensor) -> None:
        if block.shape[-1]:
            self._blocks.append(block)
            self._length += block.shape[-1]

    def pop(self, samples: int) -> Tensor:
        """The first `samples`; there must be as many."""
        if not samples:
            return torch.zeros(self.channels, 0)
        taken = self._blocks[0] if len(self._blocks) == 1 else torch.cat(self._blocks, dim=-1)
        self._blocks = [taken[..., samples:]] if samples < self._length else []
        self._length -= samples
        return taken[..., :samples]

    def pop_whole(self, samples: int) -> Iterator[Tensor]:
        """Pieces of exactly `samples` as long as there are any."""
        while self._length >= samples:
            yield self.pop(samples)
