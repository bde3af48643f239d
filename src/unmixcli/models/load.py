"""From a card to a network that is ready to run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig
from unmixcli.errors import ModelError
from unmixcli.models.card import Card
from unmixcli.models.catalogue import Model
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.models.waveform import WaveformModel, WaveformSettings
from unmixcli.models.weights import missing, weight_paths


def load_model(model: Model, *, device: torch.device) -> SpectralModel | WaveformModel:
    """Build a model's network with its verified weights, in evaluation mode.

    Raises:
        ModelError: if the weights are missing, damaged or do not fit, a package is missing, or
            the card names an architecture that is not known here.
    """
    # First of all, since a package that is missing is of no use without the weights.
    if not model.installed:
        raise missing(model.card, model.folder)
    adapter = _adapter(model.card)
    paths = weight_paths(model.card, model.folder, convert=getattr(adapter, "convert", None))
    network = _built(adapter, model.card, paths)
    return network.eval().requires_grad_(False).to(device)


def model_settings(card: Card) -> SpectralSettings | WaveformSettings:
    """The settings of a card: of a spectral model if it names an stft, else of a waveform model.

    Raises:
        ModelError: if they contradict each other.
    """
    return waveform_settings(card) if card.stft is None else spectral_settings(card)


def spectral_settings(card: Card) -> SpectralSettings:
    """The settings of a card of a model that gives masks, as the engine wants them.

    Raises:
        ModelError: if they contradict each other.
    """
    if card.stft is None:
        raise _without_stft(card)
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


def waveform_settings(card: Card) -> WaveformSettings:
    """The settings of a card of a model that gives samples, as the engine wants them.

    Raises:
        ModelError: if they contradict each other.
    """
    try:
        return WaveformSettings(
            stems=card.stems,
            sample_rate=card.sample_rate,
            channels=card.channels,
            chunks=ChunkConfig(**card.chunks.model_dump()),
        )
    except ValueError as error:
        raise ModelError(f"{card.name}: {error}") from error


def _built(
    adapter: ModuleType, card: Card, paths: Mapping[str, Path]
) -> SpectralModel | WaveformModel:
    settings = model_settings(card)
    try:
        network = adapter.build(card, paths, settings)
    except ModuleNotFoundError as error:
        raise _without_package(card, error) from error
    except AttributeError as error:
        # A spectral architecture asks for what settings without a transform lack.
        if error.obj is not settings:
            raise
        raise _without_stft(card) from error
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{card.name}: the weights do not fit the card: {reason}") from error
    built: SpectralModel | WaveformModel = network
    if isinstance(built, SpectralModel) and card.stft is None:
        raise _without_stft(card)
    if isinstance(built, WaveformModel) and card.stft is not None:
        raise ModelError(
            f"{card.name}: its card names an stft, but {card.architecture} has its own"
        )
    return built


def _without_stft(card: Card) -> ModelError:
    return ModelError(f"{card.name}: its card names no stft, which {card.architecture} needs")


def _adapter(card: Card) -> ModuleType:
    name = f"unmixcli.models.adapters.{card.architecture}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise _without_package(card, error) from error
        raise ModelError(
            f"{card.name}: its architecture {card.architecture!r} is not known to this version"
        ) from error


def _without_package(card: Card, error: ModuleNotFoundError) -> Exception:
    """What to say of a missing package; the error itself where no extra brings it."""
    if card.extra is None:
        return error
    return ModelError(
        f"{card.name}: needs the package {error.name}, which is not installed; "
        f"get it by: pip install 'unmixcli[{card.extra}]'"
    )
