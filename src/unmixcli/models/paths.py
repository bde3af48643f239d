"""Where models lie: those that come with the package, the user's own, and the cache of weights."""

from __future__ import annotations

import os
from pathlib import Path


def builtin_folder() -> Path:
    """Cards that come with the package: inside it when installed, beside `src` in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_builtin_models"
    return installed if installed.is_dir() else package.parent.parent / "models"


def user_folder() -> Path:
    """Models that the user has trained or added; `UNMIX_MODELS` moves it."""
    named = os.environ.get("UNMIX_MODELS")
    return Path(named) if named else _data_home() / "unmix" / "models"


def settings_file() -> Path:
    """What the user has chosen: among the models, so that `UNMIX_MODELS` moves it with them."""
    return user_folder() / "settings.toml"


def cache_folder() -> Path:
    """Downloaded and converted weights, safe to delete; `UNMIX_CACHE` moves it."""
    named = os.environ.get("UNMIX_CACHE")
    return Path(named) if named else _cache_home() / "unmix"


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _data_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
