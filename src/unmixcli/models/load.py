"""From a card to a network that is ready to run."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig
from unmixcli.errors import ModelError
from unmixcli.models.card import Card
from unmixcli.models.catalogue import Model
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.models.weights import weight_paths


def load_model(model: Model, *, device: torch.device) -> SpectralModel:
    """Build a model's network with its verified weights, in evaluation mode.

    Raises:
        ModelError: if the weights are missing, damaged or do not fit, or the card names an
            architecture that is not known here.
    """
    adapter = _adapter(model.card)
    paths = weight_paths(model.card, model.folder, convert=getattr(adapter, "convert", None))
    try:
        network = adapter.build(model.card, paths, spectral_settings(model.card))
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{model.name}: the weights do not fit the card: {reason}") from error
    built: SpectralModel = network.eval().requires_grad_(False).to(device)
    return built


def spectral_settings(card: Card) -> SpectralSettings:
    """The settings of a card, as the engine wants them.

    Raises:
        ModelError: if they contradict each other.
    """
    if card.stft is None:
        raise ModelError(f"{card.name}: its card names no stft, which {card.architecture} needs")
    try:
        return SpectralSettings(
            stems=card.stems,
            sample_rate=card.sample_rate,
            channels=card.channels,
            stft=STFTConfig(**card.stft.model_dump()),
            chunks=ChunkConfig(**card.chunks.model_dump()),
            wiener_iterations=card.wiener.iterations,
            wiener_window_frames=card.wiener.window_frames,
            wiener_eps=card.wiener.eps,
        )
    except ValueError as error:
        raise ModelError(f"{card.name}: {error}") from error


def _adapter(card: Card) -> ModuleType:
    name = f"unmixcli.models.adapters.{card.architecture}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModelError(
            f"{card.name}: its architecture {card.architecture!r} is not known to this version"
        ) from error
