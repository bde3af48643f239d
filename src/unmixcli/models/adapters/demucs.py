"""Demucs: the hybrid networks of the package `demucs`, one or a weighted bag of them.

A file of weights is as demucs 4.1 has them on the Hub: safetensors, whose metadata hold the class
and its arguments as JSON. Its role on the card is the network's signature, and
`parameters.weights` says how much each network of a bag counts for each stem.

What comes out is what `demucs.apply.apply_model` gives for the same overlap and the same shifts.
Demucs' own command also brings the track to zero mean and unit deviation first, for which it must
have all of it. The deviation changes little, for every network divides by that of each chunk, plus
an epsilon: with random weights 1e-5 of the stems' level for noise of 0.06, 1e-3 for noise of 0.0006
(full scale is 1). The mean is heard: an offset of 0.001 changed stems by 1e-2 of their level.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from torch import Tensor, nn

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.models.card import Card
from unmixcli.models.waveform import WaveformModel, WaveformSettings

# Metadata name a class of any module; importing whatever a file names would run its code.
CLASSES: Mapping[str, type[nn.Module]] = {
    "demucs.hdemucs.HDemucs": HDemucs,
    "demucs.htdemucs.HTDemucs": HTDemucs,
}

Shares = Mapping[str, Mapping[str, float]]
"""By role, then by stem: what a network adds to it."""


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        weights: by the role of each network, what it counts for each stem; a stem that is left
            out counts 0. Without any, all networks count alike.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: dict[str, dict[str, float]] = {}


class DemucsStems(WaveformModel):
    """One network or a bag; only those that count for a stem asked for run."""

    def __init__(
        self, settings: WaveformSettings, networks: Mapping[str, nn.Module], shares: Shares
    ) -> None:
        super().__init__()
        self.settings = settings
        self.networks = nn.ModuleDict(networks)
        self.shares = shares

    def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return the weighted means of what the networks give."""
        total = mix.new_zeros((mix.shape[0], len(stems), *mix.shape[1:]))
        for role, network in self.networks.items():
            shares = [self.shares[role].get(stem, 0.0) for stem in stems]
            if any(shares):
                given = network(mix)
                for index, share in enumerate(shares):
                    row = _sources(network).index(stems[index])
                    total[:, index].add_(given[:, row], alpha=share)
        return total


def build(card: Card, paths: Mapping[str, Path], settings: WaveformSettings) -> DemucsStems:
    """Build the networks of a card and load their weights, strictly."""
    parameters = Parameters.model_validate(card.parameters)
    networks = {role: read_network(path) for role, path in paths.items()}
    return assemble(networks, settings, weights=parameters.weights)


def assemble(
    networks: Mapping[str, nn.Module], settings: WaveformSettings, *, weights: Shares
) -> DemucsStems:
    """Make a model of networks, as `Parameters` weigh them.

    Raises:
        ValueError: if they do not fit each other or the settings.
    """
    for role, network in networks.items():
        _check_network(role, network, settings)
    shares = _shares(weights, networks.keys(), settings.stems)
    chunks = _grid(settings.chunks, networks.values())
    return DemucsStems(replace(settings, chunks=chunks), networks, shares)


def read_network(path: Path) -> nn.Module:
    """The network of one file.

    Raises:
        ValueError: for a file that is not of Demucs, of another class, or quantised.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.get("klass") not in CLASSES:
        found = metadata.get("klass", "no class")
        raise ValueError(f"{path.name} names {found}, not one of {', '.join(CLASSES)}")
    if "structure" in metadata:
        raise ValueError(f"{path.name} is quantised; take the model that is not")
    network = _new_network(
        CLASSES[metadata["klass"]],
        _from_json(json.loads(metadata["args"])),
        _from_json(json.loads(metadata["kwargs"])),
    )
    network.load_state_dict({k: _full(v) for k, v in state.items()}, strict=True, assign=True)
    return network


def _new_network(
    kind: type[nn.Module], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> nn.Module:
    # As Demucs does: checkpoints hold arguments that its classes no longer have.
    known = inspect.signature(kind).parameters
    # An augmentation that Demucs leaves on after training: each chunk would differ by chance.
    kwargs = {**kwargs, "t_sin_random_shift": 0}
    # Built without memory, so that its random start is neither drawn nor kept.
    with torch.device("meta"):
        return kind(*args, **{name: kwargs[name] for name in kwargs if name in known})


def _from_json(value: Any) -> Any:
    """Fractions, such as the seconds of a chunk, are written as objects."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {key: _from_json(item) for key, item in value.items()}
    return [_from_json(item) for item in value] if isinstance(value, list) else value


def _full(tensor: Tensor) -> Tensor:
    """Published weights are in half precision."""
    return tensor.float() if tensor.is_floating_point() else tensor


def _sources(network: nn.Module) -> list[str]:
    sources: Any = network.sources
    return list(sources)


def _check_network(role: str, network: nn.Module, settings: WaveformSettings) -> None:
    if missing := set(settings.stems) - set(_sources(network)):
        raise ValueError(f"{role} has no {', '.join(sorted(missing))}")
    if network.samplerate != settings.sample_rate:
        raise ValueError(f"{role} runs at {network.samplerate} Hz, not {settings.sample_rate}")
    if network.audio_channels != settings.channels:
        raise ValueError(f"{role} takes {network.audio_channels} channels")


def _shares(weights: Shares, roles: Iterable[str], stems: Sequence[str]) -> Shares:
    """The weights, as shares that sum to one for each stem."""
    weights = weights or {role: dict.fromkeys(stems, 1.0) for role in roles}
    if weights.keys() != set(roles):
        raise ValueError(f"parameters.weights must name the roles {', '.join(roles)}")
    if unknown := {stem for row in weights.values() for stem in row} - set(stems):
        raise ValueError(f"parameters.weights has no {', '.join(sorted(unknown))} to weigh")
    totals = {stem: sum(row.get(stem, 0.0) for row in weights.values()) for stem in stems}
    if empty := [stem for stem, total in totals.items() if total <= 0]:
        raise ValueError(f"no network counts for {', '.join(empty)} in parameters.weights")
    return {
        role: {stem: weight / totals[stem] for stem, weight in row.items()}
        for role, row in weights.items()
    }


def _grid(chunks: ChunkConfig, networks: Iterable[nn.Module]) -> ChunkConfig:
    """The grid as Demucs lays it.

    A network with a transformer sees chunks of the length of its training and no other, so halving
    them would save nothing; one without takes what there is at the end.
    """
    lengths = {_trained_samples(network) for network in networks}
    if lengths == {None}:
        return replace(chunks, fixed=False, fade="triangle")
    if lengths != {chunks.length}:
        known = ", ".join(str(length or "any") for length in lengths)
        raise ValueError(f"chunks of {chunks.length} samples where the networks take {known}")
    return replace(chunks, fixed=True, multiple=chunks.length, ends="centred", fade="triangle")


def _trained_samples(network: nn.Module) -> int | None:
    if not getattr(network, "use_train_segment", False):
        return None
    segment: Any = network.segment
    return int(segment * network.samplerate)
