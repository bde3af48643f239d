"""Reading ahead and writing behind, so that the network never waits for a file."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
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
        self._begun = threading.Event()
        # Not Thread.join: interrupted, it takes a running thread for a finished one (bpo-45274).
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        try:
            self._thread.start()
        except BaseException:
            # Interrupted as it begins, it would read on in a file that is being closed.
            self._leave()
            raise
        return self._iterate()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._stop.set()
        # What has not begun by now finds `_stop` set when it does.
        while self._begun.is_set() and not self._done.is_set():
            with suppress(KeyboardInterrupt):
                _drain(self._queue)
                self._done.wait(0.01)

    def _run(self) -> None:
        self._begun.set()
        if self._stop.is_set():
            return
        try:
            for item in self._items:
                if not _put(self._queue, item, self._stop):
                    return
        except BaseException as error:
            self._error = error
        finally:
            _put(self._queue, _END, self._stop)
            self._done.set()

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
        self._begun = threading.Event()
        # Not Thread.join: interrupted, it takes a running thread for a finished one (bpo-45274).
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="write-behind", daemon=True)

    def __enter__(self) -> WriteBehind[T]:
        try:
            self._thread.start()
        except BaseException:
            self._abandon()
            raise
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
        if kind is None:
            try:
                _put(self._queue, _END, self._stop)
                self._done.wait()
            except BaseException:
                # Interrupted while waiting: what follows must find the thread gone.
                self._abandon()
                raise
            self._raise()
        else:
            self._abandon()

    def _abandon(self) -> None:
        """Throw away what is queued and wait for the item in hand, whatever interrupts."""
        self._stop.set()
        # What has not begun by now finds `_stop` set when it does.
        while self._begun.is_set() and not self._done.is_set():
            with suppress(KeyboardInterrupt):
                _drain(self._queue)
                with suppress(queue.Full):
                    self._queue.put_nowait(_END)
                self._done.wait(0.05)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        self._begun.set()
        if self._stop.is_set():
            return
        try:
            while (item := self._queue.get()) is not _END:
                self._write(item)  # type: ignore[arg-type]
        except BaseException as error:
            self._error = error
            self._stop.set()
            _drain(self._queue)
        self._done.set()


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
