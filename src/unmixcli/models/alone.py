"""Of several that want to write one file, in this process or another, one goes on at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TextIO

_LOOK_AGAIN_S = 0.1


class StoppedError(Exception):
    """Work in a thread was told to end; never seen by users."""


@contextmanager
def alone_on(path: Path, *, stop: Event | None = None) -> Iterator[None]:
    """Hold the lock beside `path` (`PATH.lock`, which stays) while the block runs.

    Raises:
        StoppedError: if `stop` is set while another holds it.
        OSError: if the lock cannot be written.
    """
    with path.with_name(path.name + ".lock").open("w") as lock:
        # Waiting inside the system call would not notice `stop`.
        while not _taken(lock):
            if stop is not None and stop.is_set():
                raise StoppedError
            time.sleep(_LOOK_AGAIN_S)
        yield


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
