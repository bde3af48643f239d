"""The installed command, and watching it while it runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("unmix"))


def partial_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".") and path.is_file()]


def wait_for(condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def interrupted(
    words: list[object], number: signal.Signals, *, when: Callable[[], bool]
) -> tuple[int, bytes]:
    """The exit code and the errors of a command that gets a signal as soon as `when` says so."""
    with subprocess.Popen(
        [COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for(when)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors
