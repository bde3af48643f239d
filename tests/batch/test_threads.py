"""Reading ahead and writing behind: order, errors, and no thread left over."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from unmixcli.batch.threads import ReadAhead, WriteBehind


def alive() -> set[str]:
    """Threads that still run; one that has just said that it is done may need a moment."""
    ours = [t for t in threading.enumerate() if t.name in {"read-ahead", "write-behind"}]
    for thread in ours:
        thread.join(1.0)
    return {thread.name for thread in ours if thread.is_alive()}


def test_items_arrive_in_order() -> None:
    with ReadAhead(range(1000), depth=3) as items:
        assert list(items) == list(range(1000))
    assert not alive()


def test_reading_really_is_ahead_but_bounded() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with ReadAhead(source(), depth=4) as items:
        next(items)
        deadline = time.monotonic() + 10
        while len(taken) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        # One is used, four are queued, one is in the thread's hand.
        assert 5 <= len(taken) <= 6
    assert not alive()


def test_an_error_of_the_source_comes_after_its_items() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("spoiled")

    with pytest.raises(KeyError, match="spoiled"), ReadAhead(source()) as items:
        assert next(items) == 1
        next(items)
    assert not alive()


def test_leaving_early_stops_the_thread() -> None:
    with ReadAhead(iter(int, 1), depth=2) as items:
        next(items)
    assert not alive()


@pytest.mark.parametrize("launched", [True, False])
def test_interrupted_as_it_begins_no_thread_goes_on(
    monkeypatch: pytest.MonkeyPatch, launched: bool
) -> None:
    """A thread that read on would do so in a file that has been closed."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if launched:
            start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    for context in (ReadAhead(iter(int, 1)), WriteBehind(print)):
        with pytest.raises(KeyboardInterrupt), context:
            pytest.fail("it began")
        assert not alive()


def test_everything_is_written_before_the_end() -> None:
    written: list[int] = []
    with WriteBehind(written.append, depth=2) as behind:
        for number in range(100):
            behind.put(number)
    assert written == list(range(100))
    assert not alive()


def test_an_error_of_the_sink_is_raised() -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), WriteBehind(fail, depth=1) as behind:
        for number in range(1000):
            behind.put(number)
    assert not alive()


def test_an_error_at_the_last_item_is_raised() -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), WriteBehind(fail) as behind:
        behind.put(1)
    assert not alive()


def test_an_interrupt_while_waiting_for_the_end_waits_for_the_item_in_hand() -> None:
    log: list[str] = []

    def slow(item: int) -> None:
        time.sleep(0.3)
        log.append(f"written {item}")

    with pytest.raises(KeyboardInterrupt):
        with WriteBehind(slow) as behind:
            for number in range(3):
                behind.put(number)
            main = threading.main_thread().ident
            threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT]).start()
        log.append("not reached")
    # Whoever cleans up now is alone with the files.
    assert log == ["written 0"]
    assert not alive()


def test_an_error_outside_leaves_queued_items_unwritten() -> None:
    gate, written = threading.Event(), []

    def slow(item: int) -> None:
        gate.wait(10)
        written.append(item)

    with pytest.raises(KeyboardInterrupt), WriteBehind(slow, depth=8) as behind:
        for number in range(5):
            behind.put(number)
        gate.set()
        raise KeyboardInterrupt
    assert len(written) < 5
    assert not alive()
