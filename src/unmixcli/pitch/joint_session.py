"""Stems and pitch of a joint model by one run of its network.

Its engine gives stems as any engine does, and keeps the salience that comes with them for whoever
decodes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import torch
from torch import Tensor

from unmixcli.errors import UsageError
from unmixcli.models.card import Card
from unmixcli.models.catalogue import Model
from unmixcli.models.load import load_model
from unmixcli.models.spectral import JointModel
from unmixcli.pitch.joint import JointStream
from unmixcli.separation.device import resolve_device
from unmixcli.separation.engine import Engine
from unmixcli.separation.session import check_options
from unmixcli.separation.sparing import Notice
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import OutputPlan


class FoundSalience:
    """Salience that has been found elsewhere, as a `SalienceStream`.

    It gives what there is, whatever is pushed; one thread may add while another takes.

    Args:
        stream: that finds it.

    Attributes:
        axis: of the bins.
        sample_rate: Hz of the stream.
        hop_samples: between frames.
    """

    def __init__(self, stream: JointStream) -> None:
        self.axis = stream.axis
        self.sample_rate = stream.sample_rate
        self.hop_samples = stream.hop_samples
        self._found: SimpleQueue[Tensor] = SimpleQueue()

    def reset(self) -> None:
        """Forget what nobody took."""
        self._taken()

    def add(self, salience: Tensor) -> None:
        """Append `(bins, frames)`."""
        self._found.put(salience.cpu())

    def push(self, block: Tensor) -> Tensor:
        """Return the `(bins, frames)` that have been found since."""
        del block
        return self._taken()

    def finish(self) -> Tensor:
        """Return the rest."""
        return self._taken()

    def _taken(self) -> Tensor:
        parts = [torch.zeros((self.axis.bins, 0))]
        while True:
            try:
                parts.append(self._found.get_nowait())
            except Empty:
                return torch.cat(parts, dim=-1)


class JointSeparator:
    """Stems of a joint stream, a `Separator`.

    Args:
        stream: gives them; it is reset.
        stems: those that come out, in this order.
        found: gets the salience.

    Attributes:
        stems: those that come out.
        sample_rate: Hz.
        channels: None, for it takes any number.
    """

    channels: int | None = None

    def __init__(self, stream: JointStream, *, stems: Sequence[str], found: FoundSalience) -> None:
        self.stems = tuple(stems)
        self.sample_rate = stream.sample_rate
        self._stream = stream
        self._rows = [stream.stems.index(stem) for stem in stems]
        self._salience = found

    def reset(self) -> None:
        """Forget the track."""
        self._stream.reset()
        self._salience.reset()

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        return self._kept(*self._stream.push_both(block))

    def finish(self) -> Tensor:
        """Return the rest."""
        return self._kept(*self._stream.finish_both())

    def _kept(self, stems: Tensor, salience: Tensor) -> Tensor:
        self._salience.add(salience)
        return stems[self._rows]


class JointEngine(Engine):
    """An engine around a joint stream.

    Args:
        stream: for this track alone.
        plan: outputs as sums; computes a stem at least.
        sample_rate: of the track, Hz.
        channels: of the track, 1 or 2.

    Attributes:
        salience: what the network found beside the stems.
    """

    def __init__(
        self, stream: JointStream, *, plan: OutputPlan, sample_rate: int, channels: int
    ) -> None:
        self.salience = FoundSalience(stream)
        separator = JointSeparator(stream, stems=plan.computed, found=self.salience)
        super().__init__(separator, plan=plan, sample_rate=sample_rate, channels=channels)


@dataclass(frozen=True)
class JointSession:
    """What `open_joint` makes; stands for a `separation.session.Session`.

    Attributes:
        model: its card and folder.
        network: it, on its device.
        plan: the outputs as sums of its stems.
        options: what differs from the card.
    """

    model: Model
    network: JointModel
    plan: OutputPlan
    options: SpectralOptions

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def engine(
        self, *, sample_rate: int, channels: int, notice: Notice | None = None
    ) -> JointEngine:
        """A separator for one track of this rate in Hz and 1 or 2 channels."""
        del notice
        chunks = self.options.grid(self.network.settings.chunks)
        stream = JointStream(self.network, chunks=chunks)
        return JointEngine(stream, plan=self.plan, sample_rate=sample_rate, channels=channels)


def open_joint(
    model: Model, plan: OutputPlan, *, device: str, options: SpectralOptions
) -> JointSession:
    """Load a joint model.

    Raises:
        UsageError: for options that it has not, an unknown device, or a model that finds no pitch
            in a mix.
        ResourceError: for a device that is not there.
        ModelError: for weights that are missing or not what the card says.
    """
    check_joint(options, model)
    network = load_model(model, device=resolve_device(device, card=model.card))
    if not isinstance(network, JointModel):
        raise UsageError(f"{model.name} gives no pitch beside its stems; take another model")
    # Refuses what finds no pitch before the first track.
    JointStream(network)
    return JointSession(model, network, plan, options)


def check_joint(options: SpectralOptions, model: Model) -> None:
    """Check options against a joint model without loading it.

    Raises:
        UsageError: for one that is out of range, or that changes stems behind the network.
    """
    check_options(options, model)
    if options.phase in ("pu", "wiener") or _iterations(options, model.card):
        raise UsageError(
            f"{model.name} gives stems and pitch in one pass, with the phase of the song and "
            "without a Wiener filter; leave --phase and --wiener out, or --pitch"
        )


def _iterations(options: SpectralOptions, card: Card) -> int:
    if options.phase == "mixture":
        return 0
    asked = options.wiener_iterations
    return card.wiener.iterations if asked is None else asked
