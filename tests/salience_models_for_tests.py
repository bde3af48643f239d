"""A Deep Salience whose weights are set by hand: the sum of what sounds at a pitch's harmonics."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import torch

from unmixcli.models.catalogue import find_model
from unmixcli.models.toml import toml_text
from unmixcli.models.weights import sha256
from unmixcli.networks.deep_salience import DeepSalience

# Of the harmonics 0.5, 1, 2, 3, 4, 5. What sounds an octave below speaks against a pitch.
_WEIGHTS = (-2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_LEVEL, _STEEPNESS = 3.5, 8.0

# Of each layer, in the order of Keras' files.
_PARTS = ("norms.{}.weight", "norms.{}.bias", "norms.{}.running_mean", "norms.{}.running_var")
_PARTS += ("convolutions.{}.weight", "convolutions.{}.bias")


def harmonic_sum() -> DeepSalience:
    """Salience is the sigmoid of what the harmonics' levels, 0 to 1 each, sum to above a level."""
    network = DeepSalience().eval().requires_grad_(False)
    for norm, layer in zip(network.norms, network.convolutions, strict=True):
        norm.running_var.fill_(1.0 - norm.eps)
        layer.weight.zero_()
        layer.bias.zero_()
        _centre(layer)[0, 0] = 1.0
    _centre(network.convolutions[0])[0] = torch.tensor(_WEIGHTS)
    _centre(network.convolutions[-1])[0, 0] = _STEEPNESS
    network.convolutions[-1].bias.fill_(-_STEEPNESS * _LEVEL)
    return network


def write_harmonic_sum(folder: Path) -> Path:
    """It as a model that gives pitch; the folder's name is its name."""
    folder.mkdir(parents=True)
    weights, state = folder / "weights.h5", harmonic_sum().state_dict()
    names = [part.format(number) for number in range(6) for part in _PARTS]
    with h5py.File(weights, "w") as file:
        file.attrs["layer_names"] = [b"all"]
        group = file.create_group("all")
        group.attrs["weight_names"] = [name.encode() for name in names]
        for name in names:
            array = state[name].numpy()
            turned = np.transpose(array, (2, 3, 1, 0)) if array.ndim == 4 else array
            group.create_dataset(name, data=turned)
    card = find_model("deep-salience-multif0").card.model_dump(mode="json", exclude_none=True)
    own = {
        "name": folder.name,
        "parameters": {},
        "files": [{"role": "all", "name": weights.name, "sha256": sha256(weights)}],
    }
    (folder / "model.toml").write_text(toml_text({**card, **own}))
    return folder


def _centre(layer: torch.nn.Conv2d) -> torch.Tensor:
    """The middle of a kernel, `(out, in)`."""
    height, width = layer.kernel_size
    return layer.weight[:, :, (height - 1) // 2, (width - 1) // 2]


def shared_weights() -> Path | None:
    """The folder of the published weights, where there is one."""
    named = os.environ.get("UNMIX_SHARED")
    root = Path(named) if named else Path(__file__).resolve().parents[1].parent / "shared"
    folder = root / "weights" / "deepsalience"
    return folder if folder.is_dir() else None
