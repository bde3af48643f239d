"""Deep Salience by the weights that its makers publish: Keras' HDF5 files.

They are read by h5py alone, which runs nothing that is in them, and converted into the cache once.
Layers have other names in each file and are known by their order: six times a normalisation (scale,
shift, mean, variance) and a convolution (kernel, bias).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmixcli.finished import finished_file
from unmixcli.models.card import SHA256, Card
from unmixcli.models.salience import SalienceModel, SalienceSettings, salience_settings
from unmixcli.models.waveform import WaveformSettings
from unmixcli.models.weights import cached_path, sha256
from unmixcli.networks.deep_salience import DeepSalience, DeepSalienceConfig

_NORM = ("weight", "bias", "running_mean", "running_var")
_CONVOLUTION = ("weight", "bias")


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        harmonics: of the HCQT that the network sees.
        converted: sha256 of the safetensors that the weights become; None does not keep them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    harmonics: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    converted: SHA256 | None = None


class DeepSalienceModel(SalienceModel):
    """The network with the settings of its card."""

    def __init__(self, settings: SalienceSettings, network: DeepSalience) -> None:
        super().__init__()
        self.settings = settings
        self.network = network

    def salience(self, features: Tensor) -> Tensor:
        """Run the network."""
        salience: Tensor = self.network(features)
        return salience


def build(card: Card, paths: Mapping[str, Path], settings: WaveformSettings) -> DeepSalienceModel:
    """Build the network of a card from its file of role "all"."""
    del settings  # of a model that gives samples
    parameters = Parameters.model_validate(card.parameters)
    config = DeepSalienceConfig(harmonics=len(parameters.harmonics))
    wanted = salience_settings(card, harmonics=parameters.harmonics)
    if wanted.chunks.context < config.context_frames:
        raise ValueError(f"chunks.context must be at least {config.context_frames}")
    with torch.device("meta"):
        network = DeepSalience(config)
    state = _state(card, paths["all"], parameters.converted)
    network.load_state_dict(state, strict=True, assign=True)
    return DeepSalienceModel(wanted, network)


def convert(checkpoint: Path, destination: Path) -> None:
    """Turn a Keras file into safetensors of `DeepSalience`.

    Raises:
        ValueError: for a file that holds other layers.
        OSError: for one that is no HDF5 file.
    """
    save_file(dict(sorted(_read(checkpoint).items())), destination)


def _state(card: Card, checkpoint: Path, expected: str | None) -> dict[str, Tensor]:
    if expected is None:
        return _read(checkpoint)
    path = cached_path(card, card.files[0]).with_suffix(".safetensors")
    if not path.is_file() or sha256(path) != expected:
        with finished_file(path) as temporary:
            convert(checkpoint, temporary)
    return load_file(path)


def _read(checkpoint: Path) -> dict[str, Tensor]:
    import h5py

    with h5py.File(checkpoint, "r") as file:
        # A file of weights alone, or of a whole model.
        root = file.get("model_weights", file)
        arrays = [np.array(array, dtype=np.float32) for array in _arrays(root)]
    names = list(_names(len(arrays) // (len(_NORM) + len(_CONVOLUTION))))
    if len(arrays) != len(names):
        raise ValueError(f"{checkpoint.name} holds {len(arrays)} arrays, not {len(names)}")
    state = {name: _turned(array) for name, array in zip(names, arrays, strict=True)}
    for name in [name for name in names if name.endswith("running_mean")]:
        counter = name.replace("running_mean", "num_batches_tracked")
        state[counter] = torch.zeros((), dtype=torch.int64)
    return state


def _arrays(root: Any) -> Iterator[Any]:
    """The arrays of all layers, in the order in which the network has them."""
    for layer in root.attrs["layer_names"]:
        group = root[_text(layer)]
        yield from (group[_text(name)] for name in group.attrs["weight_names"])


def _names(layers: int) -> Iterator[str]:
    for number in range(layers):
        yield from chain(
            (f"norms.{number}.{part}" for part in _NORM),
            (f"convolutions.{number}.{part}" for part in _CONVOLUTION),
        )


def _turned(array: np.ndarray[Any, Any]) -> Tensor:
    """Kernels are (bins, frames, in, out) there, (out, in, bins, frames) here."""
    tensor = torch.from_numpy(array)
    return tensor.permute(3, 2, 0, 1).contiguous() if tensor.dim() == 4 else tensor


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
