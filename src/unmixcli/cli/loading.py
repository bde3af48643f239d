"""Imports of what is heavy, during which Ctrl-C leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process while the block imports.

    Nothing is unfinished yet. A KeyboardInterrupt in the midst of an import, though, may be
    swallowed by code in C, which leaves a library half imported and the command running.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, b"unmix: interrupted; what is finished stays\n")
    os._exit(130)
