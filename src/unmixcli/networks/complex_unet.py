"""The complex-mask U-Net of Jansson's thesis (ch. 6), for any number of channels and stems.

The network is real-valued. Real and imaginary part of the mix are two channels of its input, and
two channels of its output O are those of each mask M: |M| = tanh |O| and M / |M| = O / |O|. (Eq.
6.4 writes O in polar form; the text there, and Choi et al. whom it follows, have it as here.) A
mask may so turn the phase, and cancel what other stems left. The thesis' other variant takes
magnitudes and gives sigmoid masks, which keep the phase of the mix.

The thesis has one network a stem. Here one network may give several, which share all but the
last layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from unmixcli.networks.unet import StridedConvolution, StridedTransposedConvolution

# tanh(r) / r is 1 to the last bit of a float32 below this, so r may be held here: a mask of 0 then
# has the gradient of O itself, where the plain quotient has none.
_SMALL = 1e-4
# Magnitudes below this are compressed no further; far below the noise of 24 bits.
_SILENT = 1e-8


@dataclass(frozen=True)
class ComplexUNetConfig:
    """The settings of one network; the defaults are the thesis' (ch. 6).

    Attributes:
        channels: audio channels in and out.
        stems: masks for each channel.
        filters: output channels of each encoder layer; every layer halves the bins.
        kernel: side of the square kernels.
        time_strides: of each encoder layer, 1 or 2; empty means that all halve the frames too.
        mask: complex masks from the complex mix; ratio masks in (0, 1) from its magnitudes, each
            by itself; or softmax masks, ratio masks that sum to 1 over the stems.
        skips: join each encoder layer to its decoder layer.
        dropout: probability in the first five decoder layers (never the last), in training only.
        compression: the network sees magnitudes to this power, phases as they are. Below 1 it
            narrows the range of levels, for a stream cannot be scaled by its track's maximum.
    """

    channels: int = 1
    stems: int = 1
    filters: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    kernel: int = 5
    time_strides: tuple[int, ...] = ()
    mask: Literal["complex", "ratio", "softmax"] = "complex"
    skips: bool = True
    dropout: float = 0.5
    compression: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.channels, self.stems) < 1 or not self.filters or min(self.filters) < 1:
            raise ValueError("channels, stems and every entry of filters must be at least 1")
        if self.kernel < 2:
            raise ValueError(f"kernel must be at least 2 (the stride), not {self.kernel}")
        if self.time_strides and len(self.time_strides) != len(self.filters):
            raise ValueError("time_strides must be empty or have an entry for each of filters")
        if self.mask == "softmax" and self.stems < 2:
            raise ValueError("softmax masks need two stems, or the one would be the mix")
        if not set(self.time_strides) <= {1, 2}:
            raise ValueError(f"time_strides must be 1 or 2, not {self.time_strides}")
        if not 0 <= self.dropout < 1 or not 0 < self.compression <= 1:
            raise ValueError("dropout must lie in 0..1 (1 excluded), compression in 0..1 (0 excl.)")

    @property
    def strides(self) -> tuple[tuple[int, int], ...]:
        """Of each encoder layer, over bins and frames."""
        return tuple((2, stride) for stride in self.time_strides or (2,) * len(self.filters))

    @property
    def multiples(self) -> tuple[int, int]:
        """Bins and frames of the input must be multiples of these."""
        return 2 ** len(self.filters), prod(stride for _, stride in self.strides)


class ComplexUNet(nn.Module):
    """Masks for the stems of a mix, from its spectrum.

    Shape:
        - input: `(batch, channels, bins, frames)`, complex; bins and frames multiples of
          `config.multiples`
        - output: `(batch, stems, channels, bins, frames)`; complex within the unit circle, or real
          in (0, 1) for the other kinds of mask; mask times mix is the stem

    >>> net = ComplexUNet(ComplexUNetConfig(stems=3, filters=(4, 8)))
    >>> net(torch.randn(1, 1, 8, 16, dtype=torch.complex64)).shape
    torch.Size([1, 3, 1, 8, 16])
    """

    def __init__(self, config: ComplexUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.ModuleList(_encoder(config))
        self.decoder = nn.ModuleList(_decoder(config))

    def forward(self, mix: Tensor) -> Tensor:
        """Return the masks.

        Raises:
            ValueError: for a mix of another shape, or one that is not complex.
        """
        self._check(mix)
        x = self._seen(mix)
        carried: list[Tensor] = []
        for layer in self.encoder:
            x = layer(x)
            carried.append(x)
        carried.pop()
        for depth, layer in enumerate(self.decoder):
            if depth and self.config.skips:
                x = torch.cat((carried.pop(), x), dim=1)
            x = layer(x)
        return self._masks(x)

    def _seen(self, mix: Tensor) -> Tensor:
        """The network's input, channels last: strided convolutions then take less time on a CPU."""
        if self.config.mask != "complex":
            magnitudes = mix.abs().clamp_min(_SILENT).pow(self.config.compression)
            return magnitudes.contiguous(memory_format=torch.channels_last)
        parts: Tensor = (
            torch.view_as_real(compress(mix, self.config.compression))
            .permute(0, 2, 3, 1, 4)
            .flatten(-2)
        )
        return parts.permute(0, 3, 1, 2)

    def _masks(self, outputs: Tensor) -> Tensor:
        # Masks are formed in single precision at least, whatever autocast ran before, and laid
        # out as the mix, with which they meet.
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        axes = (self.config.stems, self.config.channels)
        if self.config.mask == "ratio":
            return torch.sigmoid(outputs.contiguous().unflatten(1, axes))
        if self.config.mask == "softmax":
            return torch.softmax(outputs.contiguous().unflatten(1, axes), dim=1)
        # Stem by stem, for memory that is used again: half the time and less on a CPU.
        stems = outputs.unflatten(1, (*axes, 2)).unbind(1)
        return torch.stack([bounded(*stem.contiguous().unbind(2)) for stem in stems], dim=1)

    def _check(self, mix: Tensor) -> None:
        channels = self.config.channels
        if mix.dim() != 4 or mix.shape[1] != channels or not mix.is_complex():
            raise ValueError(
                f"expected a complex (batch, {channels}, bins, frames), "
                f"not {mix.dtype} {tuple(mix.shape)}"
            )
        bins, frames = self.config.multiples
        if mix.shape[2] % bins or mix.shape[3] % frames:
            raise ValueError(
                f"bins must be a multiple of {bins}, frames of {frames}, not {tuple(mix.shape)}"
            )


def bounded(real: Tensor, imaginary: Tensor) -> Tensor:
    """Complex numbers drawn into the unit circle: tanh of the magnitude, the same angle.

    Shape:
        - inputs: any, both the same, real
        - output: the same, complex; 0 where both are 0, with a finite gradient

    >>> bounded(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1000.0])).tolist()
    [0j, 1j]
    """
    magnitude = (real.square() + imaginary.square()).clamp_min(_SMALL**2).sqrt()
    gain = torch.tanh(magnitude) / magnitude
    return torch.complex(real * gain, imaginary * gain)


def compress(spectrum: Tensor, power: float) -> Tensor:
    """Magnitudes to a power, phases as they are.

    Shape:
        - input: any, complex; 0 stays 0, with a finite gradient
        - output: the same

    >>> compress(torch.tensor([0j, -4j]), 0.5).tolist()
    [0j, -2j]
    """
    if power == 1.0:
        return spectrum
    return spectrum * spectrum.abs().clamp_min(_SILENT).pow(power - 1.0)


def _encoder(config: ComplexUNetConfig) -> list[nn.Module]:
    parts = 2 if config.mask == "complex" else 1
    inputs = (parts * config.channels, *config.filters[:-1])
    layers: list[nn.Module] = []
    for incoming, outgoing, strides in zip(inputs, config.filters, config.strides, strict=True):
        steps: list[nn.Module] = [
            StridedConvolution(incoming, outgoing, config.kernel, strides=strides)
        ]
        if layers:
            steps.append(nn.BatchNorm2d(outgoing))
        layers.append(nn.Sequential(*steps, nn.LeakyReLU(0.2)))
    return layers


def _decoder(config: ComplexUNetConfig) -> list[nn.Module]:
    parts = 2 if config.mask == "complex" else 1
    outputs = [*reversed(config.filters[:-1]), parts * config.channels * config.stems]
    joined = 2 if config.skips else 1
    inputs = [config.filters[-1], *(joined * width for width in outputs[:-1])]
    layers: list[nn.Module] = []
    for incoming, outgoing, strides in zip(inputs, outputs, reversed(config.strides), strict=True):
        steps: list[nn.Module] = [
            StridedTransposedConvolution(incoming, outgoing, config.kernel, strides=strides)
        ]
        if len(layers) < len(outputs) - 1:
            steps += [nn.BatchNorm2d(outgoing), nn.ReLU()]
            if config.dropout and len(layers) < 5:
                steps.append(nn.Dropout(config.dropout))
        layers.append(nn.Sequential(*steps))
    return layers
