"""3W-MDenseNet: three multi-scale DenseNets with kernels of three shapes, merged.

After Lordelo, Benetos, Dixon and Ahlbäck 2021 ("Adversarial unsupervised domain adaptation for
harmonic-percussive source separation"), which takes the network from an earlier paper; its sizes
are not stated there, so those here are our own. Tall kernels see what is percussive (all bins at
one time), wide ones what is harmonic (one bin over time), square ones both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

Kernel = tuple[int, int]


@dataclass(frozen=True)
class MDenseNetConfig:
    """The settings of the network.

    Attributes:
        channels: audio channels in and out.
        stems: masks for each channel.
        kernels: of the branches, over bins and frames; odd.
        growth: channels that each layer of a dense block adds.
        layers: of a dense block.
        depth: times that a branch halves bins and frames.
        first: channels of each branch's first convolution.
        compression: the network sees magnitudes to this power.
    """

    channels: int = 1
    stems: int = 2
    kernels: tuple[Kernel, ...] = ((3, 3), (13, 3), (3, 13))
    growth: int = 8
    layers: int = 3
    depth: int = 4
    first: int = 16
    compression: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        sizes = (self.channels, self.stems, self.growth, self.layers, self.depth, self.first)
        if min(sizes) < 1 or not self.kernels:
            raise ValueError("channels, stems, kernels, growth, layers, depth, first: at least 1")
        if any(side % 2 == 0 for kernel in self.kernels for side in kernel):
            raise ValueError(f"kernels must be odd, not {self.kernels}")
        if not 0 < self.compression <= 1:
            raise ValueError(f"compression must lie in 0..1 (0 excluded), not {self.compression}")

    @property
    def multiple(self) -> int:
        """Bins and frames of the input must be multiples of this."""
        return int(2**self.depth)


class MDenseNet(nn.Module):
    """Masks for the stems of a mix, from its magnitudes.

    Shape:
        - input: `(batch, channels, bins, frames)`, magnitudes; bins and frames multiples of
          `config.multiple`
        - output: `(batch, stems, channels, bins, frames)` in (0, 1)

    >>> net = MDenseNet(MDenseNetConfig(growth=2, layers=2, depth=2, first=2))
    >>> net(torch.rand(1, 1, 8, 12)).shape
    torch.Size([1, 2, 1, 8, 12])
    """

    def __init__(self, config: MDenseNetConfig) -> None:
        super().__init__()
        self.config = config
        self.branches = nn.ModuleList(Branch(config, kernel) for kernel in config.kernels)
        width = sum(branch.width for branch in self.branches if isinstance(branch, Branch))
        self.merge = DenseBlock(width, config.growth, config.layers, (3, 3))
        self.head = nn.Conv2d(self.merge.width, config.stems * config.channels, 1)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Return the masks."""
        self._check(magnitudes)
        seen = magnitudes.clamp_min(1e-8).pow(self.config.compression)
        merged = self.merge(torch.cat([branch(seen) for branch in self.branches], dim=1))
        outputs = self.head(merged).float()
        return torch.sigmoid(outputs.unflatten(1, (self.config.stems, self.config.channels)))

    def bottoms(self, magnitudes: Tensor) -> Tensor:
        """What the encoders say, concatenated: the domain critic's input (Lordelo's z)."""
        self._check(magnitudes)
        seen = magnitudes.clamp_min(1e-8).pow(self.config.compression)
        branches = [branch for branch in self.branches if isinstance(branch, Branch)]
        return torch.cat([branch.encode(seen)[0] for branch in branches], dim=1)

    def _check(self, magnitudes: Tensor) -> None:
        config = self.config
        if magnitudes.dim() != 4 or magnitudes.shape[1] != config.channels:
            raise ValueError(
                f"expected (batch, {config.channels}, bins, frames), not {tuple(magnitudes.shape)}"
            )
        if magnitudes.shape[2] % config.multiple or magnitudes.shape[3] % config.multiple:
            raise ValueError(
                f"bins and frames must be multiples of {config.multiple}, "
                f"not {tuple(magnitudes.shape)}"
            )


class DenseBlock(nn.Module):
    """Layers that each see the block's input and all that the layers before have added."""

    def __init__(self, incoming: int, growth: int, layers: int, kernel: Kernel) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(incoming + growth * layer),
                nn.ReLU(),
                nn.Conv2d(incoming + growth * layer, growth, kernel, padding="same"),
            )
            for layer in range(layers)
        )
        self.width = growth * layers

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layers have added, `(batch, width, bins, frames)`."""
        added: list[Tensor] = []
        for layer in self.layers:
            added.append(layer(torch.cat((x, *added), dim=1)))
        return torch.cat(added, dim=1)


class Branch(nn.Module):
    """A multi-scale DenseNet (Takahashi and Mitsufuji 2017) with kernels of one shape."""

    def __init__(self, config: MDenseNetConfig, kernel: Kernel) -> None:
        super().__init__()
        growth, layers = config.growth, config.layers
        self.first = nn.Conv2d(config.channels, config.first, kernel, padding="same")
        self.down = nn.ModuleList()
        self.up, self.raise_ = nn.ModuleList(), nn.ModuleList()
        width, widths = config.first, []
        for _ in range(config.depth):
            self.down.append(DenseBlock(width, growth, layers, kernel))
            width = growth * layers
            widths.append(width)
        self.bottom = DenseBlock(width, growth, layers, kernel)
        for skipped in reversed(widths):
            self.raise_.append(nn.ConvTranspose2d(growth * layers, growth * layers, 2, stride=2))
            self.up.append(DenseBlock(growth * layers + skipped, growth, layers, kernel))
        self.pool = nn.AvgPool2d(2)
        self.width = growth * layers

    def forward(self, x: Tensor) -> Tensor:
        """Return `(batch, width, bins, frames)`."""
        x, skips = self.encode(x)
        for raising, block in zip(self.raise_, self.up, strict=True):
            x = block(torch.cat((raising(x), skips.pop()), dim=1))
        return x

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The bottom, and what the skips carry."""
        x, skips = self.first(x), []
        for block in self.down:
            skips.append(block(x))
            x = self.pool(skips[-1])
        return self.bottom(x), skips
