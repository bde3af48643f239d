"""Stopping threads that compute for minutes without asking whether they should.

Scoring a song is one long call. Python cannot end a thread from outside, but it can raise an
exception in it, at its next step in Python, which unwinds it and removes its unfinished files.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cancelled(BaseException):
    """The run was told to stop. No `Exception`, so that nobody takes it for an error."""


class Stoppable:
    """The threads that are inside `working`; `stop` raises `Cancelled` in all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[int] = set()
        self._stopped = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Take part; raises `Cancelled` at once if the run was stopped before."""
        ident = threading.get_ident()
        with self._lock:
            if self._stopped:
                raise Cancelled
            self._threads.add(ident)
        try:
            yield
        finally:
            with self._lock:
                self._threads.discard(ident)

    def stop(self) -> None:
        """Stop the threads that take part, and those that would."""
        with self._lock:
            self._stopped = True
            for ident in self._threads:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(ident), ctypes.py_object(Cancelled)
                )
