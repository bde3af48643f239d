"""demucs.apply against ours with the same random weights of htdemucs: four stems, stereo.

Each runs in a process of its own, from samples in memory to stems in memory, after a chunk that
warms it up; the fastest process counts, and the memory is that of its whole process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.report import machine, markdown, parser, publish

PROGRAMS = ("demucs", "unmix")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    results = measured(given.seconds, given.repeats)
    rows = [line(program, run) for program, run in results.items()]
    peer, own = (results[program] for program in PROGRAMS)
    ratio, less = peer["seconds"] / own["seconds"], peer["peak"] / own["peak"]
    rows.append(["ratio", f"{ratio:.2f}", f"{less:.2f}"])
    headings = ["", "seconds per second of music", "peak memory"]
    text = f"{given.seconds:g} s of stereo music, four stems. {machine()}\n\n"
    publish("demucs", text + markdown(headings, rows), write=given.write)


def measured(seconds: float, repeats: int) -> dict[str, dict[str, Any]]:
    """The fastest of so many processes of each; in turn, so that both see the same machine."""
    runs: dict[str, list[dict[str, Any]]] = {program: [] for program in PROGRAMS}
    for _ in range(repeats):
        for program, done in runs.items():
            done.append(one(program, seconds))
    return {name: min(done, key=lambda run: float(run["seconds"])) for name, done in runs.items()}


def one(program: str, seconds: float) -> dict[str, Any]:
    """A process of its own."""
    command = [sys.executable, "-m", "benchmarks.peer_demucs", program, str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def line(name: str, run: dict[str, Any]) -> list[str]:
    """One program's line."""
    return [name, f"{run['seconds']:.3f}", f"{run['peak'] / 1e6:.0f} MB"]


if __name__ == "__main__":
    main()
