"""Median filters along time and along frequency, compared (FitzGerald, 2010).

Along time a median removes what is short, along frequency what is narrow; each bin goes to the
larger one by a soft mask. Equal to `librosa.decompose.hpss` within 1e-5 of the peak of its input,
and with the transform of `LIBROSA` to `librosa.effects.hpss`, up to both ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.masks import soft_mask
from unmixcli.dsp.median import median_filter
from unmixcli.dsp.stft import STFTConfig
from unmixcli.hpss.method import exact_chunks

LIBROSA = STFTConfig(n_fft=2048, hop_samples=512)
"""The transform of `librosa.effects.hpss` by default."""


@dataclass(frozen=True)
class MedianMethod:
    """Two medians and a soft mask.

    Attributes:
        stft: the transform.
        frames: of the median along time, odd.
        bins: of the median along frequency, odd.
        power: exponent of the mask; 2 makes it a Wiener filter.
        margin: how many times larger one median must be than the other to get half of a bin, 1 or
            more; above 1 something is left over.
    """

    stft: STFTConfig = LIBROSA
    frames: int = 31
    bins: int = 31
    power: float = 2.0
    margin: float = 1.0

    @property
    def chunks(self) -> ChunkConfig:
        """The grid: a mask looks half a median ahead and back."""
        return exact_chunks(self.frames // 2)

    def masks(self, mix: Tensor) -> Tensor:
        """Masks of harmonic and percussive; see `FrameMethod`."""
        return soft_mask(
            medians(mix.abs(), frames=self.frames, bins=self.bins),
            power=self.power,
            margin=self.margin,
        )


def medians(magnitudes: Tensor, *, frames: int, bins: int) -> Tensor:
    """The median of so many frames and that of so many bins, stacked.

    Shape: `(batch, channels, bins, frames)` to `(batch, 2, channels, bins, frames)`.
    """
    harmonic = median_filter(magnitudes, frames=frames)
    percussive = median_filter(magnitudes, bins=bins)
    return torch.stack((harmonic, percussive), dim=1)
