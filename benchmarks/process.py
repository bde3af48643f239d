"""Whole processes: how long they take and how much memory they hold at most."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNMIX = str(Path(sys.executable).with_name("unmix"))


@dataclass(frozen=True)
class Cost:
    """The median wall time in seconds, the largest resident set in bytes."""

    seconds: float
    peak_bytes: int


def run_once(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Raises:
        SystemExit: if it fails.
    """
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {errors.decode(errors='replace')[-2000:]}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_maxrss * scale)


def measure(commands: Sequence[Sequence[str]], *, repeats: int = 3) -> list[Cost]:
    """Run commands in turn, after one run of each that does not count."""
    for command in commands:
        run_once(command)
    costs = [[run_once(command) for command in commands] for _ in range(repeats)]
    return [
        Cost(statistics.median(c.seconds for c in runs), max(c.peak_bytes for c in runs))
        for runs in zip(*costs, strict=True)
    ]
