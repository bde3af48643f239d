"""U-Nets wired to each other: vocals and their pitch from one mix (Jansson's thesis, ch. 5).

Each wiring is a tuple of nodes. A node is one U-Net as in ch. 4: what it reads, and what it gives,
a mask that makes the vocals of the mix or the salience of their pitch. All models of the chapter
are such tuples, in `WIRINGS`.

Magnitudes are on a linear axis, salience on a logarithmic one; the thesis does not say how the one
comes to the other. Here every net works on the axis of what it gives, and whatever it reads is
brought there by the bilinear maps of `dsp.salience`. A net of pitch reads magnitudes as a stack of
harmonics, one channel each: channel h of bin b holds the magnitude at h times the frequency of
b, as in an HCQT, so that all partials of a pitch stand in one place; harmonics of (1,) are the
thesis' plain reading. Features of an encoder go the same way, by maps of as many bins as they
have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmixcli.dsp.salience import SalienceAxis, to_linear, to_log
from unmixcli.networks.unet import DecoderLayer, EncoderLayer, UNetConfig

Quantity = Literal["vocals", "salience"]

MIX, TRUE_VOCALS, TRUE_SALIENCE = "mix", "true_vocals", "true_salience"
_GIVEN: Mapping[str, Quantity] = MappingProxyType(
    {MIX: "vocals", TRUE_VOCALS: "vocals", TRUE_SALIENCE: "salience"}
)

# Logit of the share of bins that hold a pitch, a few of 360: where salience starts in training.
_RARE = -4.0
# Magnitudes below this are compressed no further; far below the noise of 24 bits.
_SILENT = 1e-8


@dataclass(frozen=True)
class Node:
    """One U-Net of a wiring.

    Attributes:
        name: of its output, by which later nodes read it.
        gives: magnitudes of the vocals, as a mask times the mix's, or salience.
        reads: "mix", "true_vocals", "true_salience", or the names of earlier nodes.
        encoder: the node whose encoder takes the place of its own; it then reads nothing.
        joins: the node whose bottleneck is put beside its own.
        detached: whether no gradient goes back into what it reads.
    """

    name: str
    gives: Quantity
    reads: tuple[str, ...] = ()
    encoder: str | None = None
    joins: str | None = None
    detached: bool = False


WIRINGS: Mapping[str, tuple[Node, ...]] = MappingProxyType(
    {
        "pitch": (Node("pitch", "salience", (MIX,)),),
        "source": (Node("source", "vocals", (MIX,)),),
        "oracle-vocals": (Node("pitch", "salience", (TRUE_VOCALS,)),),
        "oracle-pitch": (Node("source", "vocals", (MIX, TRUE_SALIENCE)),),
        "shared-encoder": (
            Node("source", "vocals", (MIX,)),
            Node("pitch", "salience", encoder="source"),
        ),
        "cross-stitch": (
            Node("source", "vocals", (MIX,), joins="pitch"),
            Node("pitch", "salience", (MIX,), joins="source"),
        ),
        "source-pitch": (
            Node("source", "vocals", (MIX,)),
            Node("pitch", "salience", ("source",)),
        ),
        "pitch-source": (
            Node("pitch", "salience", (MIX,)),
            Node("source", "vocals", (MIX, "pitch")),
        ),
        "separate": (
            Node("source", "vocals", (MIX,)),
            Node("pitch", "salience", ("source",), detached=True),
        ),
        "s-p-s-p": (
            Node("source_1", "vocals", (MIX,)),
            Node("pitch_1", "salience", ("source_1",)),
            Node("source_2", "vocals", ("source_1", "pitch_1", MIX)),
            Node("pitch_2", "salience", ("source_2",)),
        ),
    }
)


@dataclass(frozen=True)
class WiredConfig:
    """The settings of wired U-Nets; the defaults are the thesis' but for the harmonics.

    Attributes:
        nodes: the wiring.
        sample_rate: Hz.
        n_fft: length of the transform.
        bins: the lowest of its bins, which the nets see.
        axis: of the salience.
        harmonics: by which nets of pitch read magnitudes.
        compression: nets see magnitudes to this power. Below 1 it narrows the range of levels, for
            a stream cannot be scaled by its track's maximum.
        unet: of every net; its channels are set by the wiring.
    """

    nodes: tuple[Node, ...] = WIRINGS["s-p-s-p"]
    sample_rate: int = 22050
    n_fft: int = 1024
    bins: int = 512
    axis: SalienceAxis = field(default_factory=SalienceAxis)
    harmonics: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    compression: float = 1.0
    unet: UNetConfig = field(default_factory=UNetConfig)

    def __post_init__(self) -> None:
        """Check that the nets fit together."""
        if self.bins % self.unet.multiple or self.bins > self.n_fft // 2 + 1:
            raise ValueError(
                f"bins must be a multiple of {self.unet.multiple} up to {self.n_fft // 2 + 1}, "
                f"not {self.bins}"
            )
        if not self.harmonics or min(self.harmonics) <= 0 or not 0 < self.compression <= 1:
            raise ValueError("harmonics must be above 0, compression in 0..1 (0 excluded)")
        if self.unet.head != "transposed" or not self.unet.skips:
            raise ValueError("wired U-Nets have skips and the head 'transposed'")
        _check_nodes(self.nodes)

    @property
    def padded(self) -> int:
        """Bins of the salience with those that fill it up to a multiple of the levels."""
        return -(-self.axis.bins // self.unet.multiple) * self.unet.multiple

    @property
    def needs(self) -> frozenset[str]:
        """Truths without which it gives nothing: those that oracles read."""
        return frozenset(name for node in self.nodes for name in node.reads) & {
            TRUE_VOCALS,
            TRUE_SALIENCE,
        }

    def last(self, quantity: Quantity) -> str | None:
        """The node whose output is the result; None where no node gives the quantity."""
        names = [node.name for node in self.nodes if node.gives == quantity]
        return names[-1] if names else None


@dataclass(frozen=True)
class Found:
    """What the nodes of a wiring gave, by their names.

    Attributes:
        masks: `(batch, bins, frames)` in 0..1; times the mix they are the vocals.
        logits: `(batch, axis.bins, frames)`; salience is their sigmoid.
    """

    masks: Mapping[str, Tensor]
    logits: Mapping[str, Tensor]


class WiredUNets(nn.Module):
    """The nets of a wiring.

    Shape:
        - mix: `(batch, bins, frames)`, magnitudes; frames a multiple of `config.unet.multiple`
        - output: see `Found`

    >>> config = WiredConfig(nodes=WIRINGS["source-pitch"], unet=UNetConfig(filters=(4, 8)))
    >>> found = WiredUNets(config)(torch.rand(1, 512, 16))
    >>> found.masks["source"].shape, found.logits["pitch"].shape
    (torch.Size([1, 512, 16]), torch.Size([1, 360, 16]))
    """

    harmonic_map: Tensor
    linear_map: Tensor
    log_map: Tensor

    def __init__(self, config: WiredConfig) -> None:
        super().__init__()
        self.config = config
        own: dict[str, Quantity] = {node.name: node.gives for node in config.nodes}
        quantities = {**_GIVEN, **own}
        self.encoders = nn.ModuleDict(
            {
                node.name: Encoder(config.unet, _channels(node, quantities, config))
                for node in config.nodes
                if node.encoder is None
            }
        )
        self.decoders = nn.ModuleDict(
            {node.name: Decoder(config.unet, stitched=bool(node.joins)) for node in config.nodes}
        )
        for node in config.nodes:
            if node.gives == "salience":
                self.decoders[node.name].start_at(_RARE)  # type: ignore[operator]
        self._quantities = quantities
        # Made from the settings, so no weights; kept in no file.
        self.register_buffer("harmonic_map", _harmonic_map(config), persistent=False)
        self.register_buffer("linear_map", _linear_map(config), persistent=False)
        log_map = F.pad(_log_map(config), (0, 0, 0, config.padded - config.axis.bins))
        self.register_buffer("log_map", log_map, persistent=False)

    def forward(
        self,
        mix: Tensor,
        *,
        true_vocals: Tensor | None = None,
        true_salience: Tensor | None = None,
    ) -> Found:
        """Run all nodes.

        Args:
            mix: magnitudes.
            true_vocals: those of the vocals, as `mix`, for a wiring that reads them.
            true_salience: `(batch, axis.bins, frames)`, likewise.

        Raises:
            ValueError: for a mix of another shape, or a truth that is missing.
        """
        self._check(mix)
        known = {MIX: mix, TRUE_VOCALS: true_vocals, TRUE_SALIENCE: true_salience}
        values = {name: value for name, value in known.items() if value is not None}
        if missing := sorted(self.config.needs - values.keys()):
            raise ValueError(f"this wiring reads {', '.join(missing)}, which only training has")
        features: dict[str, list[Tensor]] = {}
        masks: dict[str, Tensor] = {}
        saliences: dict[str, Tensor] = {}
        for node in self.config.nodes:
            logits = self._decoded(node, values, features)
            if node.gives == "vocals":
                masks[node.name] = torch.sigmoid(logits)
                values[node.name] = masks[node.name] * mix
            else:
                saliences[node.name] = logits[:, : self.config.axis.bins]
                values[node.name] = torch.sigmoid(saliences[node.name])
        return Found(masks, saliences)

    def _decoded(
        self, node: Node, values: Mapping[str, Tensor], features: dict[str, list[Tensor]]
    ) -> Tensor:
        """The logits of a node, on the axis of what it gives, at least in single precision."""
        carried = self._carried(node.encoder or node.name, node, values, features)
        if node.joins is not None:
            (*_, beside) = self._carried(node.joins, node, values, features)
            carried = [*carried[:-1], torch.cat((carried[-1], beside), dim=1)]
        logits: Tensor = self.decoders[node.name](carried)[:, 0]
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).contiguous()

    def _carried(
        self,
        name: str,
        to: Node,
        values: Mapping[str, Tensor],
        features: dict[str, list[Tensor]],
    ) -> list[Tensor]:
        """What a node's encoder carries, finest first, on the axis of another node."""
        node = next(node for node in self.config.nodes if node.name == name)
        if name not in features:
            read = torch.cat([self._read(node, values[source], source) for source in node.reads], 1)
            features[name] = self.encoders[name](read.detach() if node.detached else read)
        if node.gives == to.gives:
            return features[name]
        fine = self.log_map if to.gives == "salience" else self.linear_map
        return [_mapped(feature, fine) for feature in features[name]]

    def _read(self, node: Node, value: Tensor, source: str) -> Tensor:
        """A value as a node sees it: `(batch, channels, bins, frames)`."""
        if self._quantities[source] == "salience":
            filled = F.pad(value, (0, 0, 0, self.config.padded - self.config.axis.bins))
            there = filled if node.gives == "salience" else self.linear_map @ filled
            return there.unsqueeze(1)
        seen = value.clamp_min(_SILENT).pow(self.config.compression)
        if node.gives == "vocals":
            return seen.unsqueeze(1)
        stacked = (self.harmonic_map @ seen).unflatten(1, (len(self.config.harmonics), -1))
        return F.pad(stacked, (0, 0, 0, self.config.padded - self.config.axis.bins))

    def _check(self, mix: Tensor) -> None:
        multiple = self.config.unet.multiple
        if mix.dim() != 3 or mix.shape[1] != self.config.bins or mix.shape[2] % multiple:
            raise ValueError(
                f"expected (batch, {self.config.bins}, a multiple of {multiple} frames), "
                f"not {tuple(mix.shape)}"
            )


class Encoder(nn.Module):
    """The first half of a U-Net.

    Shape: `(batch, channels, bins, frames)` to a list of the outputs of its layers, finest first.
    """

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        inputs = (channels, *config.filters[:-1])
        self.layers = nn.ModuleList(
            EncoderLayer(config, incoming, outgoing)
            for incoming, outgoing in zip(inputs, config.filters, strict=True)
        )
        self._bare = config.skip_source == "convolution"

    def forward(self, x: Tensor) -> list[Tensor]:
        """Run the layers."""
        carried = []
        # Strided convolutions with channels last take a third less time on a CPU.
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            convolved, x = layer(x)
            carried.append(convolved if self._bare else x)
        return carried


class Decoder(nn.Module):
    """The second half of a U-Net, with one channel of output.

    Args:
        config: of the U-Net.
        stitched: whether the bottleneck comes with that of another net.

    Shape: what `Encoder` gives to `(batch, 1, bins, frames)`.
    """

    def __init__(self, config: UNetConfig, *, stitched: bool = False) -> None:
        super().__init__()
        outputs = [*reversed(config.filters[:-1]), 1]
        deepest = config.filters[-1] * (2 if stitched else 1)
        inputs = [deepest, *(2 * width for width in outputs[:-1])]
        self.layers = nn.ModuleList(
            DecoderLayer(
                config,
                incoming,
                outgoing,
                dropout=config.dropout if depth < 3 else 0.0,
                bare=depth == len(outputs) - 1,
            )
            for depth, (incoming, outgoing) in enumerate(zip(inputs, outputs, strict=True))
        )

    @torch.no_grad()
    def start_at(self, logit: float) -> None:
        """Set what an untrained net gives on the whole."""
        self.layers[-1].convolution.bias.fill_(logit)  # type: ignore[operator, union-attr]

    def forward(self, carried: Sequence[Tensor]) -> Tensor:
        """Run the layers."""
        x = carried[-1]
        for depth, layer in enumerate(self.layers):
            if depth:
                x = torch.cat((carried[-1 - depth], x), dim=1)
            x = layer(x)
        return x


def wiring(name: str) -> tuple[Node, ...]:
    """The nodes of a wiring.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in WIRINGS:
        raise ValueError(f"wiring must be one of {', '.join(WIRINGS)}, not {name}")
    return WIRINGS[name]


def _check_nodes(nodes: Sequence[Node]) -> None:
    """That each node reads what is there by then."""
    there = set(_GIVEN)
    names = {node.name: node for node in nodes}
    if not nodes or len(names) < len(nodes) or names.keys() & there:
        raise ValueError("a wiring needs nodes with names of their own")
    for node in nodes:
        read = set(node.reads)
        if node.joins is not None:
            read |= set(names[node.joins].reads) if node.joins in names else {node.joins}
        if node.encoder is not None and node.encoder not in there:
            raise ValueError(f"{node.name}: the encoder of {node.encoder} is not there yet")
        if unknown := sorted(read - there):
            raise ValueError(f"{node.name}: {', '.join(unknown)} is not there yet")
        if bool(node.reads) == bool(node.encoder):
            raise ValueError(f"{node.name}: it needs either something to read or an encoder")
        there.add(node.name)


def _channels(node: Node, quantities: Mapping[str, Quantity], config: WiredConfig) -> int:
    """Of what a node reads."""
    stacked = len(config.harmonics) if node.gives == "salience" else 1
    return sum(stacked if quantities[name] == "vocals" else 1 for name in node.reads)


def _harmonic_map(config: WiredConfig) -> Tensor:
    """From magnitudes to all harmonics of the axis: `(harmonics * axis.bins, bins)`."""
    return torch.cat([_log_map(config, harmonic) for harmonic in config.harmonics])


def _log_map(config: WiredConfig, harmonic: float = 1.0) -> Tensor:
    return to_log(
        config.axis,
        bins=config.bins,
        sample_rate=config.sample_rate,
        n_fft=config.n_fft,
        harmonic=harmonic,
    )


def _linear_map(config: WiredConfig) -> Tensor:
    """From the filled up axis of salience to magnitudes: `(bins, padded)`."""
    found = to_linear(
        config.axis, bins=config.bins, sample_rate=config.sample_rate, n_fft=config.n_fft
    )
    return F.pad(found, (0, config.padded - config.axis.bins))


def _mapped(feature: Tensor, fine: Tensor) -> Tensor:
    """Features on another axis, by the map of the bins that each of theirs is the mean of.

    Shape: `(batch, channels, bins, frames)` and `(other bins * n, bins * n)` to
    `(batch, channels, other bins, frames)`.
    """
    step = fine.shape[1] // feature.shape[2]
    coarse: Tensor = fine.unflatten(1, (-1, step)).sum(2).unflatten(0, (-1, step)).mean(1)
    return coarse @ feature
