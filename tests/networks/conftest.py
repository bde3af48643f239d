"""The reference package, importable without torchaudio, which it needs for files only."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def openunmix_model() -> ModuleType:
    """The module openunmix.model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchaudio", ModuleType("torchaudio"))
        return importlib.import_module("openunmix.model")
