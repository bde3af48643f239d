"""The sha256 of files of which a card states less: computed when they first came, kept beside them.

The first digits of a hash, or the md5 of a file's end, leave room for another file. So the first
that they prove is trusted, and from then on no other.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from unmixcli.errors import ResourceError
from unmixcli.finished import write_text


def record_path(path: Path) -> Path:
    """Where the sha256 of a file is recorded, in the form of the command `sha256sum`."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The sha256 that is recorded for a file; None if none is."""
    try:
        text = record_path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.match(r"[0-9a-f]{64}\b", text)
    return found[0] if found else None


def record(path: Path, digest: str) -> None:
    """Remember the sha256 of a file; where nothing can be written, nothing is remembered."""
    with suppress(ResourceError):
        write_text(record_path(path), f"{digest}  {path.name}\n")
