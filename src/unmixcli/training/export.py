"""From a trained model to a folder that `unmix separate --model FOLDER` takes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from unmixcli.finished import finished_folder, write_text
from unmixcli.models.card import Score, WeightFile
from unmixcli.models.catalogue import CARD_NAME
from unmixcli.models.modes import usual_mode
from unmixcli.models.spectral import SpectralModel
from unmixcli.models.toml import toml_text
from unmixcli.training.model import card_of, trainable
from unmixcli.training.recipe import Recipe


def export_model(
    model: SpectralModel,
    recipe: Recipe,
    folder: Path,
    *,
    recipe_text: str = "",
    scores: Sequence[Score] = (),
) -> Path:
    """Write card, weights and recipe into a folder; other files that are there stay.

    Args:
        model: trained.
        recipe: by which.
        folder: of the model.
        recipe_text: its file, copied beside the card.
        scores: for the card.

    Returns:
        The folder.

    Raises:
        ResourceError: if it cannot be written.
    """
    adapter = trainable(recipe.network.architecture)
    with finished_folder(folder) as temporary:
        files = tuple(
            _write_weights(temporary, role, state) for role, state in adapter.states(model).items()
        )
        card = card_of(recipe, files=files).model_copy(update={"scores": tuple(scores)})
        content = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        write_text(temporary / CARD_NAME, toml_text(content))
        if recipe_text:
            write_text(temporary / "recipe.toml", recipe_text)
        _keep_others(folder, temporary)
    return folder


def _keep_others(folder: Path, temporary: Path) -> None:
    """Copy what is in the folder and not of ours, such as notes."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix == ".safetensors" or (temporary / path.name).exists():
            continue
        if path.is_dir():
            shutil.copytree(path, temporary / path.name, symlinks=True)
        else:
            shutil.copy2(path, temporary / path.name, follow_symlinks=False)


def _write_weights(folder: Path, role: str, state: Mapping[str, Tensor]) -> WeightFile:
    path = folder / ("model.safetensors" if role == "all" else f"{role}.safetensors")
    with usual_mode(path):
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, path
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightFile(role=role, name=path.name, sha256=digest, size=path.stat().st_size)
