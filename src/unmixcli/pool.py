"""Work in threads that Ctrl-C ends."""

from __future__ import annotations

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
    work end; items that have not begun are left, and it goes on from here.
    """
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in [pool.submit(work, item) for item in items]:
                # A signal that comes just before a wait without end does not end it.
                while not future.done():
                    wait([future], timeout=_LOOK_UP_S)
                future.result()
        except BaseException:
            stop()
            pool.shutdown(cancel_futures=True)
            raise
