"""A folder of small songs, and recipes that train on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.songs_for_tests import RECIPE, write_song
from unmixcli.training.recipe import Recipe, read_recipe


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Six songs; one of them groups drums and other."""
    for seed in range(6):
        names = ("vocals", "drums_other") if seed == 1 else ("vocals", "drums", "other")
        write_song(tmp_path / "songs" / f"song {seed}", seed=seed, names=names)
    return tmp_path / "songs"


@pytest.fixture
def recipe_path(tmp_path: Path, songs: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def recipe(recipe_path: Path) -> Callable[..., Recipe]:
    """The recipe with changes as on the command line."""
    return lambda *changes: read_recipe(recipe_path, changes=changes)
