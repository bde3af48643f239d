"""Permissions of files that libraries write."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def usual_mode(path: Path) -> Iterator[None]:
    """Give the file that the block writes the permissions that the umask gives to new files.

    Safetensors lets nobody but the owner read what it writes, so that a shared cache would be none.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    yield
    path.chmod(mode)
