from __future__ import annotations

import signal
import threading

import pytest

from unmixcli.pool import run_all


def test_every_item_is_done() -> None:
    done: list[int] = []
    run_all(done.append, range(7), jobs=3, stop=lambda: None)
    assert sorted(done) == list(range(7))


def test_an_error_stops_the_rest() -> None:
    begun: list[int] = []
    stopped = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ZeroDivisionError
        stopped.wait(30)

    with pytest.raises(ZeroDivisionError):
        run_all(work, range(50), jobs=2, stop=stopped.set)
    assert stopped.is_set()
    assert len(begun) < 50


def test_a_signal_stops_the_work_while_it_runs() -> None:
    """One that another thread receives does not wake a wait without end."""
    stopped, in_time = threading.Event(), list[bool]()

    def work(_: int) -> None:
        signal.raise_signal(signal.SIGINT)
        in_time.append(stopped.wait(10))

    with pytest.raises(KeyboardInterrupt):
        run_all(work, range(1), jobs=1, stop=stopped.set)
    assert in_time == [True]
