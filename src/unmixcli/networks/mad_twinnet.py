"""MaD TwinNet: Masker, Denoiser and, in training alone, a twin that runs backwards.

Drossos, Mimilakis, Serdyuk, Schuller, Virtanen and Bengio 2018; sizes as in Drossos, Magron et al.
2018 ("Harmonic-percussive source separation with deep neural networks and phase recovery").

The Masker reads the lowest bins of a sequence of frames forwards and backwards, adds what it read
to its states, leaves the context frames out, and decodes a mask; the Denoiser filters what the mask
lets through once more. The twin decodes the same states from the last frame to the first; the
decoder's states are drawn to an affine image of its states, so that they know of the future.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class MaDTwinNetConfig:
    """The settings of the network; the defaults are the paper's.

    Attributes:
        bins: of the spectrum, in and out.
        seen: the lowest bins, which the Masker reads.
        width: of each direction of the encoder; None is `seen`, as in the paper. Otherwise a
            linear layer brings what is read to this width first.
        context: frames at each end that are read but not given.
        hidden: units between the layers of the Denoiser.
    """

    bins: int = 2049
    seen: int = 744
    width: int | None = None
    context: int = 10
    hidden: int = 1024

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.seen <= self.bins:
            raise ValueError(f"seen must lie in 1..{self.bins} (bins), not {self.seen}")
        if min(self.width or 1, self.hidden) < 1 or self.context < 0:
            raise ValueError("width and hidden must be at least 1, context at least 0")


@dataclass(frozen=True)
class Stages:
    """What training compares, for the frames without context.

    Attributes:
        masker: the mask after the Masker, `(batch, bins, frames)`, not negative.
        denoiser: the mask after both, which is the network's result.
        twin: the mask of the twin.
        distance: mean Euclidean distance of the decoder's states from the twin's image, eq. 2.
    """

    masker: Tensor
    denoiser: Tensor
    twin: Tensor
    distance: Tensor


class MaDTwinNet(nn.Module):
    """A mask for one stem from magnitudes.

    Shape:
        - input: `(batch, bins, frames)`, magnitudes; more than `2 * config.context` frames
        - output: `(batch, bins, frames - 2 * config.context)`, not negative, unbounded

    >>> net = MaDTwinNet(MaDTwinNetConfig(bins=9, seen=5, context=2, hidden=4))
    >>> net(torch.rand(1, 9, 12)).shape
    torch.Size([1, 9, 8])
    """

    def __init__(self, config: MaDTwinNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width or config.seen
        self.narrow: nn.Module = nn.Identity()
        if config.width is not None:
            self.narrow = nn.Linear(config.seen, width)
        self.encoder = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(2 * width, 2 * width, batch_first=True)
        self.mask = nn.Linear(2 * width, config.bins)
        self.denoiser = nn.Sequential(
            nn.Linear(config.bins, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.bins),
            nn.ReLU(),
        )
        for gru in (self.encoder, self.decoder):
            _orthogonal(gru)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Return the mask of the frames without context."""
        mask = F.relu(self.mask(self.decoder(self.encoded(magnitudes))[0]))
        return self.denoised(mask, self.inner(magnitudes)).transpose(1, 2)

    def encoded(self, magnitudes: Tensor) -> Tensor:
        """The encoder's states and what it read, `(batch, frames, 2 * width)`, without context."""
        frames = magnitudes.shape[-1]
        if magnitudes.dim() != 3 or magnitudes.shape[1] != self.config.bins:
            raise ValueError(
                f"expected (batch, {self.config.bins}, frames), not {tuple(magnitudes.shape)}"
            )
        if frames <= 2 * self.config.context:
            raise ValueError(f"{frames} frames are no more than the context")
        read = self.narrow(magnitudes[:, : self.config.seen].transpose(1, 2))
        states = self.encoder(read)[0] + torch.cat((read, read), dim=-1)
        return self._without_context(states)

    def denoised(self, mask: Tensor, inner: Tensor) -> Tensor:
        """The mask after the Denoiser, which sees and filters what the Masker's lets through."""
        return torch.as_tensor(self.denoiser(mask * inner)) * mask

    def inner(self, magnitudes: Tensor) -> Tensor:
        """The frames without context, `(batch, frames, bins)`."""
        return self._without_context(magnitudes.transpose(1, 2))

    def _without_context(self, frames: Tensor) -> Tensor:
        context = self.config.context
        return frames[:, context : frames.shape[1] - context]


class Twin(nn.Module):
    """The twin of a network, which exists in training alone.

    >>> net = MaDTwinNet(MaDTwinNetConfig(bins=9, seen=5, context=2, hidden=4))
    >>> Twin(net.config)(net, torch.rand(1, 9, 12)).twin.shape
    torch.Size([1, 9, 8])
    """

    def __init__(self, config: MaDTwinNetConfig) -> None:
        super().__init__()
        width = 2 * (config.width or config.seen)
        self.decoder = nn.GRU(width, width, batch_first=True)
        self.mask = nn.Linear(width, config.bins)
        self.affine = nn.Linear(width, width)
        _orthogonal(self.decoder)

    def forward(self, network: MaDTwinNet, magnitudes: Tensor) -> Stages:
        """All that training compares, from one pass through encoder and decoders."""
        encoded, inner = network.encoded(magnitudes), network.inner(magnitudes)
        states = network.decoder(encoded)[0]
        masker = F.relu(network.mask(states))
        # Time runs backwards; the published code turns the features, too, which is a slip.
        backwards = self.decoder(encoded.flip(1))[0].flip(1)
        distance = torch.linalg.vector_norm(states - self.affine(backwards), dim=-1).mean()
        return Stages(
            masker=masker.transpose(1, 2),
            denoiser=network.denoised(masker, inner).transpose(1, 2),
            twin=F.relu(self.mask(backwards)).transpose(1, 2),
            distance=distance,
        )


def _orthogonal(gru: nn.GRU) -> None:
    for name, weight in gru.named_parameters():
        if "weight_hh" in name:
            nn.init.orthogonal_(weight)
