"""A training that begins with the weights of another model: fine-tuning."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from unmixcli.errors import UsageError
from unmixcli.models.catalogue import Model, find_model
from unmixcli.models.spectral import SpectralModel
from unmixcli.models.weights import weight_paths
from unmixcli.training.model import trainable
from unmixcli.training.recipe import Recipe


def find_start(recipe: Recipe, *, base: Path) -> Model | None:
    """The model that a recipe begins with, None if it begins at random.

    Args:
        recipe: its `start` is a model's name, or a folder.
        base: what folders of the recipe are relative to.

    Raises:
        UsageError: for a model that is not known, or of another architecture.
    """
    if recipe.start is None:
        return None
    folder = base / recipe.start
    is_folder = (folder / "model.toml").is_file()
    model = find_model(str(folder) if is_folder else recipe.start)
    theirs, ours = model.card.architecture, recipe.network.architecture
    if theirs != ours:
        raise UsageError(f"start: {recipe.start} is {theirs}, the recipe's network {ours}")
    return model


@torch.no_grad()
def load_start(model: SpectralModel, start: Model) -> None:
    """Give an untrained model the weights of another one with networks of the same sizes.

    What training alone has, such as MaD TwinNet's twin, stays at random.

    Args:
        model: is changed.
        start: as `find_start` gives it.

    Raises:
        UsageError: if its networks are others.
        ModelError: for weights that are missing, or not what the card says.
    """
    paths = weight_paths(start.card, start.folder)
    for role, ours in trainable(start.card.architecture).states(model).items():
        theirs = load_file(paths[role]) if role in paths else {}
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape:
                raise UsageError(
                    f"start: the networks of {start.name} have other sizes than the recipe's "
                    f"({name}); its parameters lie in {start.folder}"
                )
        for name, weights in ours.items():
            weights.copy_(theirs[name])
