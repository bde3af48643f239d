"""unmix: separate songs into stems."""

from __future__ import annotations

from unmixcli.version import __version__

__all__ = ["__version__"]
