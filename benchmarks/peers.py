"""Programs that separate the same samples by the same network, each in processes of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.report import markdown
from unmixcli.models.catalogue import Model
from unmixcli.models.waveform import WaveformModel
from unmixcli.separation.engine import Engine
from unmixcli.separation.stems import Request, plan_outputs
from unmixcli.separation.waveform import WaveformSeparator

RATE = 44100
BLOCK = 65536


@dataclass(frozen=True)
class Run:
    """Seconds per second of music, and the largest resident set in bytes."""

    seconds: float
    peak: int


def compare(module: str, words: Mapping[str, Sequence[str]], *, repeats: int) -> dict[str, Run]:
    """The fastest of so many processes of each; in turn, so that all see the same machine.

    Args:
        module: prints the JSON of a `Run`, as `report` does.
        words: by the name of each program, the words after the module.
        repeats: processes of each.
    """
    runs: dict[str, list[Run]] = {program: [] for program in words}
    for _ in range(repeats):
        for program, done in runs.items():
            command = [sys.executable, "-m", module, *words[program]]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            done.append(Run(**json.loads(output.splitlines()[-1])))
    return {program: min(done, key=lambda run: run.seconds) for program, done in runs.items()}


def table(runs: Mapping[str, Run], *, own: str) -> str:
    """A row a program, with what it takes relative to ours."""
    rows = [
        [
            name,
            f"{run.seconds:.3f}",
            f"{run.peak / 1e6:.0f} MB",
            f"{run.seconds / runs[own].seconds:.2f}",
            f"{run.peak / runs[own].peak:.2f}",
        ]
        for name, run in runs.items()
    ]
    headings = ["", "seconds per second of music", "peak memory", "time / ours", "memory / ours"]
    return markdown(headings, rows)


def report(run: Callable[[Tensor], object], *, seconds: float, warm_up: int) -> None:
    """Time a program on noise after so many samples that warm it up, and print the JSON."""
    random = torch.Generator().manual_seed(0)
    mix = torch.rand((2, round(seconds * RATE)), generator=random) - 0.5
    with torch.no_grad():
        run(mix[:, :warm_up])
        started = time.perf_counter()
        run(mix)
        elapsed = time.perf_counter() - started
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    print(json.dumps({"seconds": elapsed / seconds, "peak": peak}))


def engine(model: Model, network: WaveformModel) -> Callable[[Tensor], object]:
    """Ours, as `unmix separate` runs it; blocks go as soon as they are done."""
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    separator = WaveformSeparator(network, stems=plan.computed)
    made = Engine(separator, plan=plan, sample_rate=RATE, channels=2)

    def run(mix: Tensor) -> object:
        made.reset()
        return [stems.shape for stems in made.stream(mix.split(BLOCK, dim=-1))]

    return run
