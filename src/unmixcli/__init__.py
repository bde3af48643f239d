"""unmix: separate songs into stems.

The public names are imported on first use, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from unmixcli.version import __version__

if TYPE_CHECKING:
    from unmixcli.api import (
        find_pitch,
        find_voices,
        load_model,
        open_stream,
        separate,
        separate_file,
    )
    from unmixcli.pitch.session import PitchOptions

__all__ = [
    "PitchOptions",
    "__version__",
    "find_pitch",
    "find_voices",
    "load_model",
    "open_stream",
    "separate",
    "separate_file",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("unmixcli.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
