"""Open-Unmix's Separator against ours with the same random weights: four targets, stereo.

Each runs in processes of its own, from samples in memory to stems in memory, once to warm up and
then for the time; the fastest run counts, and the memory is that of its whole process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.report import machine, markdown, parser, publish

CASES = [(niter, program) for niter in (0, 1) for program in ("openunmix", "unmix")]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    results = measured(given.seconds, given.repeats)
    rows = []
    for niter in (0, 1):
        peer, own = results[niter, "openunmix"], results[niter, "unmix"]
        rows += [line(f"openunmix, {niter} EM", peer), line(f"unmix, {niter} EM", own)]
        ratio = peer["seconds"] / own["seconds"]
        rows.append([f"ratio, {niter} EM", f"{ratio:.2f}", f"{peer['peak'] / own['peak']:.1f}"])
    headings = ["", "seconds per second of music", "peak memory"]
    text = f"{given.seconds:g} s of stereo music, four stems. {machine()}\n\n"
    publish("openunmix", text + markdown(headings, rows), write=given.write)


def measured(seconds: float, repeats: int) -> dict[tuple[int, str], dict[str, Any]]:
    """The fastest of so many processes of each case; in turn, so that all see the same machine."""
    runs: dict[tuple[int, str], list[dict[str, Any]]] = {case: [] for case in CASES}
    for _ in range(repeats):
        for case, done in runs.items():
            done.append(one(case, seconds))
    return {case: min(done, key=lambda run: float(run["seconds"])) for case, done in runs.items()}


def one(case: tuple[int, str], seconds: float) -> dict[str, Any]:
    """A process of its own."""
    niter, program = case
    command = [sys.executable, "-m", "benchmarks.peer_openunmix", program, str(niter), str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def line(name: str, run: dict[str, Any]) -> list[str]:
    """One program's line."""
    return [name, f"{run['seconds']:.3f}", f"{run['peak'] / 1e6:.0f} MB"]


if __name__ == "__main__":
    main()
