"""Harmonic, percussive and what is neither, in two transforms (Driedger, Müller and Disch, 2014).

A bin is harmonic if its median along time is more than β times that along frequency, percussive if
it is the other way round. A long window tells the harmonic part best, a short one the percussive
part: the first stage takes the harmonic part from the mix, the second the percussive part from the
rest, and what is left then is the residual. The paper's medians are 200 ms and 500 Hz, and its
windows 4096 and 256 samples with hops of a quarter. Medians are of magnitudes here; a β for powers
would be the square of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig
from unmixcli.hpss.median import medians
from unmixcli.hpss.method import exact_chunks, odd
from unmixcli.separation.separator import Separator

LONG = STFTConfig(n_fft=4096, hop_samples=1024)
SHORT = STFTConfig(n_fft=256, hop_samples=64)

_ALONG_TIME_S = 0.2
_ALONG_FREQUENCY_HZ = 500.0


@dataclass(frozen=True)
class ThresholdMethod:
    """All or nothing: the bins of one kind and the rest.

    Attributes:
        stft: the transform.
        sample_rate: Hz.
        wanted: the kind that is told from the rest.
        factor: β, 1 or more.
    """

    stft: STFTConfig
    sample_rate: int
    wanted: Literal["harmonic", "percussive"]
    factor: float = 2.0

    @property
    def frames(self) -> int:
        """Of the median along time."""
        return odd(_ALONG_TIME_S * self.sample_rate / self.stft.hop_samples)

    @property
    def bins(self) -> int:
        """Of the median along frequency."""
        return odd(_ALONG_FREQUENCY_HZ * self.stft.n_fft / self.sample_rate)

    @property
    def chunks(self) -> ChunkConfig:
        """The grid: a mask looks half a median ahead and back."""
        return exact_chunks(self.frames // 2)

    def masks(self, mix: Tensor) -> Tensor:
        """Masks of harmonic and percussive, one of them the rest; see `FrameMethod`."""
        along_time, along_frequency = medians(mix.abs(), frames=self.frames, bins=self.bins).unbind(
            dim=1
        )
        if self.wanted == "harmonic":
            harmonic = along_time > self.factor * along_frequency
        else:
            # Silence is neither: it stays with the rest.
            loud = along_frequency > 0
            harmonic = ~(loud & (along_frequency >= self.factor * along_time))
        return torch.stack((harmonic, ~harmonic), dim=1).float()


class CascadeSeparator:
    """Two separators in a row; the second one gets what the first one leaves.

    Args:
        first: gives one stem, of the mix.
        second: gives one stem, of the rest; at the same rate.
        stems: those that come out, of both.
    """

    channels: int | None = None

    def __init__(self, first: Separator, second: Separator, *, stems: Sequence[str]) -> None:
        self.stems = tuple(stems)
        self._rows = [(*first.stems, *second.stems).index(stem) for stem in stems]
        self.sample_rate = first.sample_rate
        self._first = first
        self._second = second
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._first.reset()
        self._second.reset()
        self._mix = torch.zeros(0, 0)
        self._taken = torch.zeros(0, 0)

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        self._mix = block if not self._mix.numel() else torch.cat((self._mix, block), dim=-1)
        return self._both(self._second.push(self._rest(self._first.push(block))))

    def finish(self) -> Tensor:
        """Return the rest."""
        done = self._second.push(self._rest(self._first.finish()))
        return self._both(torch.cat((done, self._second.finish()), dim=-1))

    def _rest(self, stem: Tensor) -> Tensor:
        """What the first stage leaves of the mix, as far as it got; its stem waits."""
        taken = stem[0].cpu()
        count = taken.shape[-1]
        rest = self._mix[..., :count].cpu() - taken
        self._mix = self._mix[..., count:].clone()
        waiting = (self._taken, taken) if self._taken.numel() else (taken,)
        self._taken = torch.cat(waiting, dim=-1)
        return rest

    def _both(self, stem: Tensor) -> Tensor:
        done = stem[0].cpu()
        first = self._taken[..., : done.shape[-1]]
        self._taken = self._taken[..., done.shape[-1] :].clone()
        return torch.stack((first, done))[self._rows]
