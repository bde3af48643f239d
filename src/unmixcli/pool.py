"""Work in threads that Ctrl-C ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

# How long a signal may go unnoticed.
_LOOK_UP_S = 0.2


def run_all(
    work: Callable[[T], None], items: Iterable[T], *, jobs: int, stop: Callable[[], None]
) -> None:
    """Do the work on every item, so many at a time.

    Whatever interrupts the wait, or an error of the work, calls `stop`, which should make running
    work end; items that have not begun are left, and once no work runs it goes on from here.
    """
    changed = threading.Condition()
    running = 0
    stopped = False

    def counted(item: T) -> None:
        nonlocal running
        with changed:
            if stopped:
                return
            running += 1
        try:
            work(item)
        finally:
            with changed:
                running -= 1
                changed.notify_all()

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in [pool.submit(counted, item) for item in items]:
                # A signal that comes just before a wait without end does not end it.
                while not future.done():
                    wait([future], timeout=_LOOK_UP_S)
                future.result()
        except BaseException:
            stopped = True
            stop()
            pool.shutdown(cancel_futures=True)
            # The pool does not know of a thread that began while a signal came.
            with changed:
                changed.wait_for(lambda: not running)
            raise
