"""What the engine asks of a model that works on samples: stems for chunks of the mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from unmixcli.dsp.chunks import ChunkConfig


@dataclass(frozen=True)
class WaveformSettings:
    """What a waveform model needs around it.

    Attributes:
        stems: those that the network can give.
        sample_rate: Hz.
        channels: audio channels of the network; 1 takes each channel by itself.
        chunks: the grid, in samples.
    """

    stems: tuple[str, ...]
    sample_rate: int
    channels: int
    chunks: ChunkConfig


class WaveformModel(nn.Module):
    """A network that gives stems as samples; adapters derive from it.

    Attributes:
        settings: what it needs around it.
    """

    settings: WaveformSettings

    @property
    def device(self) -> torch.device:
        """Where its weights are, and where it wants the mix; the CPU if it has none."""
        weights = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if weights is None else weights.device

    def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Some of the stems, in the order of their names.

        Shape:
            - mix: `(batch, channels, samples)`
            - result: `(batch, stems, channels, samples)`
        """
        raise NotImplementedError
