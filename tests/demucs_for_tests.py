"""Small Demucs networks with random weights, in the files of that project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file
from torch import nn

from unmixcli.models.catalogue import Model, find_model

SOURCES = ("drums", "bass", "other", "vocals")
STEMS = ("vocals", "drums", "bass", "other")
RATE = 44100
SEGMENT = Fraction(3, 10)
CHUNK = 13230

SIZES: dict[str, Any] = {"channels": 4, "dconv_comp": 2, "dconv_init": 0.1, "nfft": 1024}

CARD = """
name = "small-demucs"
title = "A small random Demucs"
description = "Random weights, for tests."
architecture = "demucs"
stems = [{stems}]
sample_rate = 44100
channels = 2
extra = "demucs"
training_data = "none"

[chunks]
length = {length}
overlap = {overlap}
batch = {batch}

[licence]
name = "MIT"
commercial = true
"""

FILE = """
[[files]]
role = "{role}"
name = "{role}.safetensors"
sha256 = "{sha256}"
"""


def htdemucs(seed: int = 0, **changes: Any) -> nn.Module:
    sizes = {**SIZES, "depth": 3, "t_layers": 1, "t_heads": 2, "t_layer_scale": False, **changes}
    torch.manual_seed(seed)
    return HTDemucs(sources=list(SOURCES), segment=SEGMENT, **sizes).eval()


def hdemucs(seed: int = 0, **changes: Any) -> nn.Module:
    sizes = {**SIZES, "depth": 5, **changes}
    torch.manual_seed(seed)
    return HDemucs(sources=list(SOURCES), segment=SEGMENT, **sizes).eval()


def save_as_on_the_hub(network: Any, path: Path, **metadata: str) -> None:
    """As demucs 4.1 publishes them; `demucs.hf.load_safetensors_model` reads them."""
    args, kwargs = network._init_args_kwargs
    kind = type(network)
    texts = {
        "klass": f"{kind.__module__}.{kind.__qualname__}",
        "args": json.dumps(args),
        "kwargs": json.dumps(kwargs, default=_fraction),
    }
    save_file(network.state_dict(), path, metadata={**texts, **metadata})


def _fraction(value: Fraction) -> dict[str, Any]:
    return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}


def model_folder(
    folder: Path,
    networks: Mapping[str, nn.Module],
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
    stems: Sequence[str] = STEMS,
    batch: int = 2,
    length: int = CHUNK,
) -> Model:
    """A model of these networks, with Demucs' overlap of a quarter."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{stem}"' for stem in stems)
    text = CARD.format(stems=names, length=length, overlap=length - length * 3 // 4, batch=batch)
    for role, row in (weights or {}).items():
        text += f"\n[parameters.weights.{role}]\n"
        text += "".join(f"{stem} = {weight}\n" for stem, weight in row.items())
    for role, network in networks.items():
        path = folder / f"{role}.safetensors"
        save_as_on_the_hub(network, path)
        text += FILE.format(role=role, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "model.toml").write_text(text)
    return find_model(str(folder))
