"""Reading ahead and writing behind, so that the network never waits for a file."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_END = object()


class ReadAhead(Generic[T]):
    """Iterates in a thread, a few items ahead; an error there is raised here.

    Use it as a context: leaving it stops the thread, also in the middle.
    """

    def __init__(self, items: Iterable[T], *, depth: int = 4) -> None:
        self._items = items
        self._queue: queue.Queue[object] = queue.Queue(depth)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._iterate()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        while self._thread.is_alive():
            _drain(self._queue)
            self._thread.join(0.01)

    def _run(self) -> None:
        try:
            for item in self._items:
                if not _put(self._queue, item, self._stop):
                    return
        except BaseException as error:
            self._error = error
        _put(self._queue, _END, self._stop)

    def _iterate(self) -> Iterator[T]:
        while (item := self._queue.get()) is not _END:
            yield item  # type: ignore[misc]
        if self._error is not None:
            raise self._error


class WriteBehind(Generic[T]):
    """Hands items to `write` in a thread; an error there is raised at the next call here."""

    def __init__(self, write: Callable[[T], None], *, depth: int = 4) -> None:
        self._write = write
        self._queue: queue.Queue[object] = queue.Queue(depth)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="write-behind", daemon=True)

    def __enter__(self) -> WriteBehind[T]:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Queue an item; waits while too many are queued."""
        if not _put(self._queue, item, self._stop):
            self._raise()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stop.set()
            _drain(self._queue)
        _put(self._queue, _END, threading.Event() if kind is not None else self._stop)
        self._thread.join()
        if kind is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not _END:
                self._write(item)  # type: ignore[arg-type]
        except BaseException as error:
            self._error = error
            self._stop.set()
            _drain(self._queue)


def _put(items: queue.Queue[object], item: object, stop: threading.Event) -> bool:
    """Queue an item unless `stop` is set meanwhile."""
    while not stop.is_set():
        try:
            items.put(item, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False


def _drain(items: queue.Queue[object]) -> None:
    while True:
        try:
            items.get_nowait()
        except queue.Empty:
            return
