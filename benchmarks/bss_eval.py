"""BSS Eval here against museval, mir_eval and fast_bss_eval, in one run on the same cores.

    python benchmarks/bss_eval.py --seconds 30 --out FILE

Prints a Markdown table: seconds, how many times faster ours is, and the largest difference in dB
of each score over all stems and frames. Signals are made here: four stems of coloured noise with
rests, and estimates with leakage, filtering and noise; "equal channels" has two mono stems, whose
Gram matrix is singular, so that scores depend on rounding.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unmixcli.metrics import bss_eval

RATE = 44100
STEMS = 4
SCORES = ("SDR", "ISR", "SIR", "SAR")
Table = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One measurement: what is scored, by us, and by the programs it is compared with."""

    name: str
    ours: Callable[[], Table]
    peers: dict[str, Callable[[], Table]]


@dataclass(frozen=True)
class Timed:
    """What a program took and gave; no scores where it stopped."""

    seconds: float
    scores: Table
    problem: str = ""


def stems(seconds: float, *, equal_channels: bool = False) -> tuple[Any, Any]:
    """References and estimates, `(stems, channels, samples)` float64."""
    random = np.random.default_rng(0)
    samples = round(seconds * RATE)
    true = random.standard_normal((STEMS, 2, samples))
    for stem in range(STEMS):
        true[stem] = np.apply_along_axis(
            np.convolve, -1, true[stem], np.hanning(3 + 4 * stem), "same"
        )
    # The second stem rests for a second in the middle, so one frame has no scores.
    true[1, :, samples // 2 : samples // 2 + 2 * RATE] = 0
    if equal_channels:
        true[:2, 1] = true[:2, 0]
    found = true + 0.1 * true[::-1] + 0.1 * np.roll(true, 5, axis=-1)
    return true, found + 0.02 * random.standard_normal(true.shape)


def ours(true: Any, found: Any, *, window_s: float, version: str) -> Table:
    scores = bss_eval(
        true, found, sample_rate=RATE, window_s=window_s, hop_s=window_s, version=version
    )
    return {name: getattr(scores, name.lower()) for name in SCORES}


def museval(true: Any, found: Any, *, frames: int) -> Table:
    # museval imports musdb, which wants the ffmpeg program.
    sys.modules.setdefault("musdb", types.ModuleType("musdb"))
    metrics = importlib.import_module("museval.metrics")
    scores = metrics.bss_eval(
        np.moveaxis(true, 1, 2), np.moveaxis(found, 1, 2), window=frames, hop=frames
    )
    return dict(zip(SCORES, scores, strict=False))


def mir_eval(true: Any, found: Any) -> Table:
    separation = importlib.import_module("mir_eval.separation")
    sdr, sir, sar, _ = separation.bss_eval_sources(true[:, 0], found[:, 0], False)
    return {"SDR": sdr, "SIR": sir, "SAR": sar}


def fast_bss_eval(true: Any, found: Any, *, prepare: Callable[[Any], Any]) -> Table:
    package = importlib.import_module("fast_bss_eval")
    sdr, sir, sar = package.bss_eval_sources(
        prepare(true[:, 0]), prepare(found[:, 0]), compute_permutation=False
    )
    return {"SDR": np.asarray(sdr), "SIR": np.asarray(sir), "SAR": np.asarray(sar)}


def tasks(seconds: float) -> Iterator[Task]:
    true, found = stems(seconds)
    equal = stems(seconds, equal_channels=True)
    mono, mono_found = true[:, :1].copy(), found[:, :1].copy()
    for name, pair in (
        ("v4, four stereo stems", (true, found)),
        ("the same, equal channels", equal),
    ):
        yield Task(
            name,
            ours=lambda pair=pair: ours(*pair, window_s=1.0, version="v4"),
            peers={"museval": lambda pair=pair: museval(*pair, frames=RATE)},
        )
    yield Task(
        "v3, four mono stems, one frame",
        ours=lambda: ours(mono, mono_found, window_s=math.inf, version="v3"),
        peers={
            "mir_eval": lambda: mir_eval(mono, mono_found),
            "fast_bss_eval (NumPy)": lambda: fast_bss_eval(mono, mono_found, prepare=np.asarray),
            "fast_bss_eval (PyTorch)": lambda: fast_bss_eval(
                mono, mono_found, prepare=torch.from_numpy
            ),
        },
    )


def timed(call: Callable[[], Table]) -> Timed:
    start = time.perf_counter()
    try:
        scores = call()
    except Exception as problem:
        return Timed(math.nan, {}, f"stops with {type(problem).__name__}")
    return Timed(time.perf_counter() - start, scores)


def difference(one: Table, other: Table, name: str) -> str:
    if name not in one or name not in other:
        return ""
    a, b = np.asarray(one[name]), np.asarray(other[name]).reshape(np.shape(one[name]))
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return "NaN elsewhere"
    with np.errstate(invalid="ignore"):
        return f"{np.nanmax(np.where(a == b, 0, np.abs(a - b))):.1e}"


def rows(task: Task) -> Iterator[list[str]]:
    mine = timed(task.ours)
    if mine.problem:
        raise RuntimeError(mine.problem)
    yield [task.name, "**unmix**", f"{mine.seconds:.2f}", "1", *[""] * len(SCORES)]
    for peer, call in task.peers.items():
        theirs = timed(call)
        if theirs.problem:
            yield [task.name, peer, theirs.problem, *[""] * (1 + len(SCORES))]
            continue
        differences = [difference(mine.scores, theirs.scores, name) for name in SCORES]
        ratio = f"{theirs.seconds / mine.seconds:.1f}"
        yield [task.name, peer, f"{theirs.seconds:.2f}", ratio, *differences]


def report(seconds: float) -> str:
    head = ["task", "program", "seconds", "× ours", *(f"max Δ {name}, dB" for name in SCORES)]
    lines = [head, ["---"] * len(head)]
    for task in tasks(seconds):
        lines += list(rows(task))
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    threads = f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}, NumPy"
    return f"{seconds:g} s at {RATE} Hz, {threads} {np.__version__}\n\n{table}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the stems")
    parser.add_argument(
        "--threads", type=int, help="of PyTorch; 1 where other programs use the cores"
    )
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    # Libraries load their kernels at the first call.
    warm, warm_found = stems(2.0)
    ours(warm[:1], warm_found[:1], window_s=1.0, version="v4")
    museval(warm[:1], warm_found[:1], frames=RATE)
    table = report(arguments.seconds)
    print(table)
    if arguments.out:
        arguments.out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
