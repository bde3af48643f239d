"""The model that a recipe describes, untrained, and what its adapter must offer for that."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Protocol, cast

import torch
from pydantic import ValidationError
from torch import Tensor

from unmixcli.errors import ModelError, UsageError
from unmixcli.models.card import Card, WeightFile
from unmixcli.models.load import spectral_settings
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.training.recipe import Recipe


class Trainable(Protocol):
    """An adapter whose models can be trained."""

    def untrained(self, card: Card, settings: SpectralSettings) -> SpectralModel:
        """The networks of a card with random weights, drawn from torch's generator."""

    def states(self, model: SpectralModel) -> Mapping[str, Mapping[str, Tensor]]:
        """The weights by the role of the file that holds them, as `build` reads them."""


def trainable(architecture: str) -> Trainable:
    """The adapter of an architecture.

    Raises:
        UsageError: if there is none, or it cannot be trained.
    """
    name = f"unmixcli.models.adapters.{architecture}"
    try:
        adapter = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        near = difflib.get_close_matches(architecture, _trainable_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_trainable_names())}"
        raise UsageError(f"network.architecture: {architecture!r} is not known; {hint}") from error
    if not hasattr(adapter, "untrained"):
        raise UsageError(f"network.architecture: {architecture!r} cannot be trained here")
    return cast(Trainable, adapter)


def _trainable_names() -> list[str]:
    return ["unet_masks", "unet_stems", "mad_twinnet", "mdensenet", "pitch_unets"]


def _nearest(key: str, adapter: object) -> str:
    """What is said of a key that the adapter's `Parameters` have not."""
    known = list(getattr(adapter, "Parameters").model_fields)  # noqa: B009
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    return f"no such key; did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def card_of(recipe: Recipe, *, files: tuple[WeightFile, ...] = ()) -> Card:
    """The card of the recipe's model; without files, one of a model that is not written yet.

    Raises:
        UsageError: if its fields contradict each other.
    """
    network = recipe.network.model_dump()
    about = recipe.export.model_dump()
    about["title"] = about["title"] or recipe.name
    about["description"] = about["description"] or f"Trained by the recipe {recipe.name}."
    unwritten = (WeightFile(role="all", name="unwritten", sha256="0" * 64),)
    try:
        return Card(name=recipe.name, **network, **about, files=files or unwritten)
    except ValidationError as error:
        raise UsageError(f"recipe {recipe.name}: {error.errors()[0]['msg']}") from error


def untrained_model(recipe: Recipe) -> SpectralModel:
    """The model with random weights by the recipe's seed; torch's generator is left as it was.

    Raises:
        UsageError: for a network that cannot be built.
    """
    card = card_of(recipe)
    adapter = trainable(recipe.network.architecture)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        try:
            return adapter.untrained(card, spectral_settings(card)).train()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            why = _nearest(where, adapter) if first["type"] == "extra_forbidden" else first["msg"]
            raise UsageError(f"network.parameters: {where}: {why}") from error
        except (TypeError, ValueError, ModelError) as error:
            raise UsageError(f"network: {error}") from error
