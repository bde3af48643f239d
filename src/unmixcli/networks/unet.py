"""The U-Net family of Jansson's thesis (ch. 4): one module, its descendants are settings.

Jansson's network, his baseline without skips and the networks of Spleeter share an encoder of
strided convolutions and a decoder of strided transposed convolutions. They differ in where batch
normalisation stands, what the skips carry and how the mask is formed, so these are fields of
`UNetConfig`, and each published network is one set of values of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["relu", "leaky_relu", "elu"]


@dataclass(frozen=True)
class UNetConfig:
    """The settings of one network of the family; the defaults are Jansson's (ch. 4).

    Attributes:
        channels: audio channels in and out.
        filters: output channels of each encoder layer; every layer halves bins and frames.
        kernel: side of the square kernels.
        encoder_activation: after each encoder layer; leaky ReLU has slope 0.2.
        decoder_activation: after each decoder layer but a masking one.
        skips: join each encoder layer to its decoder layer; False is the thesis' baseline.
        skip_source: what skips and bottleneck carry: the layer's output after normalisation and
            activation (Jansson), or the bare convolution (Spleeter).
        decoder_norm: whether normalisation stands before the activation (Jansson) or after it.
        head: the mask is the last transposed convolution ("transposed", Jansson), or a dilated
            4x4 convolution after it ("dilated", Spleeter).
        dropout: probability in the first three decoder layers, in training only.
        norm_eps: epsilon of batch normalisation.
        norm_momentum: its momentum.
    """

    channels: int = 1
    filters: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    kernel: int = 5
    encoder_activation: Activation = "leaky_relu"
    decoder_activation: Activation = "relu"
    skips: bool = True
    skip_source: Literal["activation", "convolution"] = "activation"
    decoder_norm: Literal["before_activation", "after_activation"] = "before_activation"
    head: Literal["transposed", "dilated"] = "transposed"
    dropout: float = 0.5
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.channels < 1 or not self.filters or min(self.filters) < 1:
            raise ValueError("channels and every entry of filters must be at least 1")
        if self.kernel < 2:
            raise ValueError(f"kernel must be at least 2 (the stride), not {self.kernel}")

    @property
    def multiple(self) -> int:
        """Bins and frames of the input must be multiples of this."""
        return int(2 ** len(self.filters))


class UNet(nn.Module):
    """A mask for one stem from the magnitudes of the mix.

    Shape:
        - input: `(batch, channels, bins, frames)`, magnitudes; bins and frames multiples of
          `config.multiple`
        - output: the same, values in (0, 1)

    >>> net = UNet(UNetConfig(filters=(4, 8)))
    >>> net(torch.rand(1, 1, 8, 16)).shape
    torch.Size([1, 1, 8, 16])
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (config.channels, *config.filters[:-1])
        self.encoder = nn.ModuleList(
            EncoderLayer(config, incoming, outgoing)
            for incoming, outgoing in zip(inputs, config.filters, strict=True)
        )
        self.decoder = nn.ModuleList(self._decoder_layers(config))
        self.head: nn.Module
        if config.head == "dilated":
            self.head = nn.Conv2d(1, config.channels, 4, padding=3, dilation=2)
        else:
            self.head = nn.Identity()

    @staticmethod
    def _decoder_layers(config: UNetConfig) -> list[DecoderLayer]:
        last = 1 if config.head == "dilated" else config.channels
        outputs = [*reversed(config.filters[:-1]), last]
        joined = 2 if config.skips else 1
        inputs = [config.filters[-1], *(joined * width for width in outputs[:-1])]
        bare_last = config.head == "transposed"
        return [
            DecoderLayer(
                config,
                incoming,
                outgoing,
                dropout=config.dropout if depth < 3 else 0.0,
                bare=bare_last and depth == len(outputs) - 1,
            )
            for depth, (incoming, outgoing) in enumerate(zip(inputs, outputs, strict=True))
        ]

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Return the mask of `magnitudes`."""
        return torch.sigmoid(self.logits(magnitudes))

    def logits(self, magnitudes: Tensor) -> Tensor:
        """Return what the mask is the sigmoid of."""
        self._check(magnitudes)
        carried: list[Tensor] = []
        x = magnitudes
        for layer in self.encoder:
            convolved, x = layer(x)
            carried.append(convolved if self.config.skip_source == "convolution" else x)
        x = carried.pop()
        for depth, layer in enumerate(self.decoder):
            if depth and self.config.skips:
                x = torch.cat((carried.pop(), x), dim=1)
            x = layer(x)
        return torch.as_tensor(self.head(x))

    def _check(self, magnitudes: Tensor) -> None:
        multiple = self.config.multiple
        if magnitudes.dim() != 4 or magnitudes.shape[1] != self.config.channels:
            raise ValueError(
                f"expected (batch, {self.config.channels}, bins, frames), "
                f"not {tuple(magnitudes.shape)}"
            )
        if magnitudes.shape[2] % multiple or magnitudes.shape[3] % multiple:
            raise ValueError(
                f"bins and frames must be multiples of {multiple}, not {tuple(magnitudes.shape)}"
            )


def same_padding(kernel: int, stride: int = 2) -> tuple[int, int]:
    """Zeros before and after an axis with which a stride divides it exactly."""
    total = kernel - stride
    return total // 2, total - total // 2


class StridedConvolution(nn.Conv2d):
    """Convolution that divides bins and frames by its strides exactly."""

    def __init__(
        self, incoming: int, outgoing: int, kernel: int, *, strides: tuple[int, int] = (2, 2)
    ) -> None:
        super().__init__(incoming, outgoing, kernel, stride=strides)
        bins, frames = (same_padding(kernel, stride) for stride in strides)
        self.margins = (*frames, *bins)

    def forward(self, input: Tensor) -> Tensor:
        """Return `(batch, outgoing, bins / strides[0], frames / strides[1])`."""
        return super().forward(F.pad(input, self.margins))


class StridedTransposedConvolution(nn.ConvTranspose2d):
    """Transposed convolution that multiplies bins and frames by its strides exactly."""

    def __init__(
        self, incoming: int, outgoing: int, kernel: int, *, strides: tuple[int, int] = (2, 2)
    ) -> None:
        bins, frames = (same_padding(kernel, stride) for stride in strides)
        even = (bins[0], frames[0])
        super().__init__(incoming, outgoing, kernel, stride=strides, padding=even)
        # The crop may be uneven (one more at the end); the even part of it is the convolution's
        # own padding, the rest is cut by the slices.
        self.ends = (bins[0] - bins[1] or None, frames[0] - frames[1] or None)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return `(batch, outgoing, bins * strides[0], frames * strides[1])`."""
        full = super().forward(input, output_size)
        return full[:, :, : self.ends[0], : self.ends[1]]


class EncoderLayer(nn.Module):
    """Strided convolution, normalisation, activation; halves bins and frames."""

    def __init__(self, config: UNetConfig, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.convolution = StridedConvolution(incoming, outgoing, config.kernel)
        self.norm = _norm(config, outgoing)
        self.activation = _activation(config.encoder_activation)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bare convolution and the layer's output."""
        convolved = self.convolution(x)
        return convolved, self.activation(self.norm(convolved))


class DecoderLayer(nn.Module):
    """Strided transposed convolution, normalisation, activation; doubles bins and frames."""

    def __init__(
        self, config: UNetConfig, incoming: int, outgoing: int, *, dropout: float, bare: bool
    ) -> None:
        super().__init__()
        self.convolution = StridedTransposedConvolution(incoming, outgoing, config.kernel)
        self.after = nn.Sequential(*([] if bare else _after_decoder(config, outgoing, dropout)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output."""
        return torch.as_tensor(self.after(self.convolution(x)))


def _after_decoder(config: UNetConfig, width: int, dropout: float) -> Sequence[nn.Module]:
    steps = [_norm(config, width), _activation(config.decoder_activation)]
    if config.decoder_norm == "after_activation":
        steps.reverse()
    return [*steps, nn.Dropout(dropout)] if dropout else steps


def _norm(config: UNetConfig, width: int) -> nn.Module:
    return nn.BatchNorm2d(width, eps=config.norm_eps, momentum=config.norm_momentum)


def _activation(name: Activation) -> nn.Module:
    if name == "leaky_relu":
        return nn.LeakyReLU(0.2)
    return nn.ELU() if name == "elu" else nn.ReLU()
