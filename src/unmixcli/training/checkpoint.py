"""Checkpoints: everything that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from unmixcli.errors import InputError, ResourceError, UsageError
from unmixcli.finished import finished_file
from unmixcli.training.recipe import Recipe

LAST, BEST = "last.pt", "best.pt"
_VERSION = 1

# What may differ when a training goes on: how long, how it is watched and what its card says.
_FREE = {"schedule", "validation", "checkpoint_every", "export"}


def write_checkpoint(path: Path, content: dict[str, Any], *, recipe: Recipe) -> None:
    """Write under a temporary name, to the disk, and rename.

    Raises:
        ResourceError: if the folder or the disk refuse.
    """
    whole = {"version": _VERSION, "recipe": _fixed(recipe), **content}
    with finished_file(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(whole, file)
        except RuntimeError as error:
            # torch's zip writer says so when a write falls short.
            raise ResourceError(f"{path}: cannot be written: {error}") from error
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path, *, recipe: Recipe) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote.

    Raises:
        InputError: if it cannot be read.
        UsageError: if it belongs to another recipe.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version = content["version"]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: is no checkpoint that can be read") from error
    if version != _VERSION:
        raise InputError(f"{path}: has version {version}; this program reads {_VERSION}")
    # What a recipe of an earlier version could not say had its default.
    then, now = _with_defaults(content["recipe"]), _fixed(recipe)
    changed = [key for key in now if then.get(key) != now[key]]
    if changed:
        raise UsageError(
            f"{path}: was made with another {' and '.join(changed)}; start anew with another --out"
        )
    return content


def _with_defaults(recipe: dict[str, Any]) -> dict[str, Any]:
    filled = {**Recipe.model_construct().model_dump(mode="json", exclude=_FREE), **recipe}
    for name, field in Recipe.model_fields.items():
        kind = field.annotation
        if name in recipe and isinstance(kind, type) and issubclass(kind, BaseModel):
            filled[name] = {**kind.model_construct().model_dump(mode="json"), **recipe[name]}
    filled["excerpts"].pop("workers", None)
    return filled


def _fixed(recipe: Recipe) -> dict[str, Any]:
    content = recipe.model_dump(mode="json", exclude=_FREE)
    # Threads change no sample, and data may have moved.
    del content["excerpts"]["workers"], content["data"]
    return content
