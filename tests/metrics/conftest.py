"""Reference programs that these tests compare with."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from typing import Any

import pytest


@pytest.fixture(scope="session")
def museval_metrics() -> Any:
    """``museval.metrics``; its package wants musdb, which wants the ffmpeg program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "musdb", types.ModuleType("musdb"))
        return importlib.import_module("museval.metrics")


@pytest.fixture(scope="session")
def mir_eval_separation() -> Any:
    """``mir_eval.separation``, which warns of its removal at every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("mir_eval.separation")
