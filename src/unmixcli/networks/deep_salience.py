"""Deep Salience (Bittner, McFee, Salamon, Li, Bello, ISMIR 2017): HCQT in, salience out.

Six convolutions over bins and frames, each after a batch normalisation. Four see an octave's
neighbours, the fifth, 70 bins high, spans more than an octave, the last one mixes its outputs.
Everything is padded with zeros so that bins and frames stay, after the normalisation: what lies
beyond the ends is 0 there, not the bias that a normalised 0 would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PHASES = 8


@dataclass(frozen=True)
class DeepSalienceConfig:
    """The settings of a network; the defaults are those of the published ones.

    Attributes:
        harmonics: of the HCQT.
        filters: outputs of each convolution.
        kernels: their sizes over bins and frames.
        norm_eps: of the normalisations (Keras').
    """

    harmonics: int = 6
    filters: tuple[int, ...] = (128, 64, 64, 64, 8, 1)
    kernels: tuple[tuple[int, int], ...] = ((5, 5), (5, 5), (3, 3), (3, 3), (70, 3), (1, 1))
    norm_eps: float = 1e-3

    def __post_init__(self) -> None:
        """Check the shapes."""
        if len(self.filters) != len(self.kernels) or self.filters[-1:] != (1,):
            raise ValueError("filters and kernels must be equally many, the last filter one")

    @property
    def context_frames(self) -> int:
        """Frames on each side on which one frame of the output depends."""
        return sum(width // 2 for _, width in self.kernels)


class DeepSalience(nn.Module):
    """Convolutions from the magnitudes of harmonics to salience.

    Shape: `(batch, harmonics, bins, frames)` in 0..1 to `(batch, bins, frames)` in 0..1.
    """

    def __init__(self, config: DeepSalienceConfig | None = None) -> None:
        super().__init__()
        config = config or DeepSalienceConfig()
        inputs = (config.harmonics, *config.filters[:-1])
        self.norms = nn.ModuleList(nn.BatchNorm2d(count, eps=config.norm_eps) for count in inputs)
        self.convolutions = nn.ModuleList(
            _convolution(before, after, kernel)
            for before, after, kernel in zip(inputs, config.filters, config.kernels, strict=True)
        )

    def forward(self, hcqt: Tensor) -> Tensor:
        """Find the salience of each bin."""
        return self.logits(hcqt).sigmoid()

    def logits(self, hcqt: Tensor) -> Tensor:
        """The salience before its sigmoid."""
        # Channels last, in which convolutions are faster on a CPU.
        values = hcqt.contiguous(memory_format=torch.channels_last)
        for norm, convolution in zip(self.norms[:-1], self.convolutions[:-1], strict=True):
            values = F.relu(convolution(norm(values)), inplace=True)
        logits: Tensor = self.convolutions[-1](self.norms[-1](values))
        return logits.squeeze(1)


def _convolution(before: int, after: int, kernel: tuple[int, int]) -> _Convolution:
    tall = kernel[0] > _PHASES and after <= _PHASES
    return (_TallConvolution if tall else _Convolution)(before, after, kernel)


class _Convolution(nn.Conv2d):
    """With Keras' "same" padding: an even kernel has one more zero after than before."""

    def forward(self, values: Tensor) -> Tensor:
        """Convolve `(batch, channels, bins, frames)`."""
        height, width = self.kernel_size
        # What both sides share is added by the convolution itself, without a copy.
        extended = F.pad(values, (0, (width - 1) % 2, 0, (height - 1) % 2))
        sides = ((height - 1) // 2, (width - 1) // 2)
        return F.conv2d(extended, self.weight, self.bias, padding=sides)


class _TallConvolution(_Convolution):
    """The same with a stride of eight bins, each step of which gives eight neighbours.

    Few outputs of a tall kernel are a shape that processors are slow at. Eight times as many, of a
    kernel that is seven bins taller, is a tenth more arithmetic in less than half the time.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Convolve `(batch, channels, bins, frames)`."""
        height, width = self.kernel_size
        bins = values.shape[2]
        # Room for whole strides as well.
        above = height // 2 + -bins % _PHASES
        sides = ((width - 1) // 2, width // 2, (height - 1) // 2, above)
        steps = F.conv2d(F.pad(values, sides), *self._shifted(), stride=(_PHASES, 1))
        apart: Tensor = steps.unflatten(1, (self.out_channels, _PHASES))
        return apart.transpose(2, 3).flatten(2, 3)[:, :, :bins]

    def _shifted(self) -> tuple[Tensor, Tensor]:
        """Its kernel as eight, each one bin higher: `(outputs * 8, inputs, height + 7, width)`."""
        kernels = [F.pad(self.weight, (0, 0, n, _PHASES - 1 - n)) for n in range(_PHASES)]
        bias = cast(Tensor, self.bias)
        return torch.stack(kernels, dim=1).flatten(0, 1), bias.repeat_interleave(_PHASES)
