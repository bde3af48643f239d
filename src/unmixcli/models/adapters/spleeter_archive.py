"""The archives that Spleeter's makers publish: a TensorFlow checkpoint of one U-Net a stem.

Layers are numbered by TensorFlow over all networks, in the order of the card's `instruments`:
each has seven convolutions, six transposed ones and twelve normalisations.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmixcli.models.adapters.unet_masks import LAYOUT, UNetMasks, new_network
from unmixcli.models.adapters.unet_masks import Parameters as MaskParameters
from unmixcli.models.card import Card
from unmixcli.models.spectral import SpectralSettings
from unmixcli.models.tensorflow_bundle import Array, read_bundle

_LAYERS = 6
_INDEX, _SHARD = ".index", ".data-00000-of-00001"
_NORM = (
    ("gamma", "weight"),
    ("beta", "bias"),
    ("moving_mean", "running_mean"),
    ("moving_variance", "running_var"),
)


class Parameters(MaskParameters):
    """The card's `parameters`: those of `unet_masks` and the order of the networks.

    Attributes:
        instruments: the stems as the checkpoint numbers them.
    """

    instruments: tuple[str, ...]


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> UNetMasks:
    """Build the networks of a card from its file of role "archive"."""
    parameters = Parameters.model_validate(card.parameters)
    masks = MaskParameters(**parameters.model_dump(exclude={"instruments"}))
    variables = _read_archive(paths["archive"])
    networks = {}
    for stem in card.stems:
        with torch.device("meta"):
            networks[stem] = new_network(masks.model_dump(), channels=card.channels, stems=[stem])
        state = dict(_state(variables, parameters.instruments.index(stem)))
        networks[stem].load_state_dict(state, strict=True, assign=True)
    return UNetMasks(settings, networks, masks)


def _read_archive(path: Path) -> dict[str, Array]:
    try:
        with tarfile.open(path) as archive:
            files = {_ending(member.name): member for member in archive if member.isfile()}
            index, data = (_content(archive, files.get(name)) for name in (_INDEX, _SHARD))
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path.name} cannot be read as an archive: {error}") from error
    if not index or not data:
        raise ValueError(f"{path.name} holds no TensorFlow checkpoint of one shard")
    return read_bundle(index, data)


def _ending(name: str) -> str:
    return next((ending for ending in (_INDEX, _SHARD) if name.endswith(ending)), name)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    stream = archive.extractfile(member) if member else None
    return stream.read() if stream else b""


def _state(variables: Mapping[str, Array], number: int) -> Iterator[tuple[str, Tensor]]:
    """The state of `UNet` for the network of a number."""
    for layer in range(_LAYERS):
        yield from _convolution(
            variables, f"encoder.{layer}.convolution", _numbered("conv2d", 7 * number + layer)
        )
        yield from _convolution(
            variables,
            f"decoder.{layer}.convolution",
            _numbered("conv2d_transpose", _LAYERS * number + layer),
        )
        for place, name in ((0, f"encoder.{layer}.norm"), (_LAYERS, f"decoder.{layer}.after.1")):
            norm = _numbered("batch_normalization", 12 * number + place + layer)
            for theirs, ours in _NORM:
                yield f"{name}.{ours}", _tensor(variables[f"{norm}/{theirs}"])
            yield f"{name}.num_batches_tracked", torch.zeros((), dtype=torch.int64)
    yield from _convolution(variables, "head", _numbered("conv2d", 7 * number + _LAYERS))


def _convolution(
    variables: Mapping[str, Array], ours: str, theirs: str
) -> Iterator[tuple[str, Tensor]]:
    """Kernels are (frames, bins, in, out) there, (out, in, bins, frames) here.

    Transposed ones have in and out the other way round in both.
    """
    kernel = _tensor(variables[f"{theirs}/kernel"]).permute(3, 2, 1, 0)
    yield f"{ours}.weight", kernel.contiguous(memory_format=LAYOUT)
    yield f"{ours}.bias", _tensor(variables[f"{theirs}/bias"])


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
