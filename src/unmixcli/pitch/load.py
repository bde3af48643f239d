"""From a name to a stream of salience."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from unmixcli.errors import ModelError, UsageError
from unmixcli.models.catalogue import Model, find_model, list_models
from unmixcli.models.load import load_model
from unmixcli.pitch.stream import SalienceStream

_STREAMS = {
    "deep_salience": "unmixcli.pitch.hcqt_stream:HCQTSalienceStream",
    "pitch_unets": "unmixcli.pitch.joint:JointStream",
}


def load_stream(name: str | Path, *, device: torch.device) -> SalienceStream:
    """Load a model that gives salience.

    Args:
        name: of the model, or its folder.
        device: where it runs.

    Raises:
        UsageError: for a name that is not known, or a model that gives no pitch.
        ModelError: if the weights are missing, damaged or do not fit, a package is missing, or
            the architecture is not known here.
    """
    model = pitch_model(name)
    kind = _stream_class(model)
    network: nn.Module = load_model(model, device=device)
    return kind(network)


def pitch_model(name: str | Path) -> Model:
    """The model of a name or folder, loaded by nobody yet.

    Raises:
        UsageError: if it is not known, or gives no pitch.
        ModelError: for a folder without a valid card.
    """
    model = find_model(str(name))
    if model.card.pitch is None:
        able = ", ".join(m.name for m in list_models() if m.card.pitch is not None)
        raise UsageError(f"{model.name} gives no pitch; models that do: {able}")
    return model


def _stream_class(model: Model) -> Callable[[nn.Module], SalienceStream]:
    path = _STREAMS.get(model.card.architecture)
    if path is None:
        raise ModelError(
            f"{model.name}: its architecture {model.card.architecture!r} gives no pitch; "
            f"there are {', '.join(_STREAMS)}"
        )
    module, name = path.split(":")
    kind: Callable[[nn.Module], SalienceStream] = getattr(importlib.import_module(module), name)
    return kind
