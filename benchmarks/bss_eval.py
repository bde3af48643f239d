"""BSS Eval here against museval, mir_eval and fast_bss_eval, in one run on the same cores.

    python -m benchmarks.bss_eval --song songs/francium

Two tables: seconds, and the largest difference in dB of each score over all stems and frames. The
signals are made here: stems of coloured noise with rests, and estimates with leakage, filtering
and noise; "equal channels" has two mono stems, whose Gram matrix is singular, so that scores depend
on rounding. With --song the parity table has 10 s of real stems too.
"""

from __future__ import annotations

import importlib
import math
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quality import read_song
from benchmarks.report import machine, markdown, parser, publish
from unmixcli.metrics import BssOptions, bss_eval

RATE = 44100
STEMS = 4
SCORES = ("SDR", "ISR", "SIR", "SAR")
Table = dict[str, Any]
Pair = tuple[Any, Any]


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


def stems(seconds: float, *, count: int = STEMS, equal_channels: bool = False) -> Pair:
    """References and estimates, `(stems, channels, samples)` float64."""
    random = np.random.default_rng(0)
    samples = round(seconds * RATE)
    true = random.standard_normal((count, 2, samples))
    for stem in range(count):
        true[stem] = np.apply_along_axis(
            np.convolve, -1, true[stem], np.hanning(3 + 4 * stem), "same"
        )
    # The second stem rests for a second in the middle, so one frame has no scores.
    true[1, :, samples // 2 : samples // 2 + 2 * RATE] = 0
    if equal_channels:
        true[:2, 1] = true[:2, 0]
    found = true + 0.1 * true[::-1] + 0.1 * np.roll(true, 5, axis=-1)
    return true, found + 0.02 * random.standard_normal(true.shape)


def ours(pair: Pair, *, window_s: float, version: str, **options: Any) -> Table:
    scores = bss_eval(
        *pair,
        sample_rate=RATE,
        window_s=window_s,
        hop_s=window_s,
        version=version,
        options=BssOptions(**options),
    )
    return {name: getattr(scores, name.lower()) for name in SCORES if hasattr(scores, name.lower())}


def museval(pair: Pair, **options: Any) -> Table:
    # museval imports musdb, which wants the ffmpeg program.
    sys.modules.setdefault("musdb", types.ModuleType("musdb"))
    metrics = importlib.import_module("museval.metrics")
    given = {"window": RATE, "hop": RATE} | options
    scores = metrics.bss_eval(*(np.moveaxis(side, 1, 2) for side in pair), **given)
    return dict(zip(SCORES, scores, strict=False))


def mir_eval(pair: Pair, *, permutation: bool = False) -> Table:
    separation = importlib.import_module("mir_eval.separation")
    sdr, sir, sar, _ = separation.bss_eval_sources(*(side[:, 0] for side in pair), permutation)
    return {"SDR": sdr, "SIR": sir, "SAR": sar}


def fast_bss_eval(pair: Pair, *, prepare: Callable[[Any], Any]) -> Table:
    package = importlib.import_module("fast_bss_eval")
    sdr, sir, sar = package.bss_eval_sources(
        *(prepare(side[:, 0]) for side in pair), compute_permutation=False
    )
    return {"SDR": np.asarray(sdr), "SIR": np.asarray(sir), "SAR": np.asarray(sar)}


def against_museval(name: str, pair: Pair, *, options: Table | None = None, **given: Any) -> Task:
    """Version 4 in frames of a second unless options say otherwise."""
    settings = {"window_s": 1.0, "version": "v4"} | (options or {})
    return Task(
        name,
        ours=partial(ours, pair, **settings),
        peers={"museval": partial(museval, pair, **given)},
    )


def speed_tasks(seconds: float) -> Iterator[Task]:
    """What takes long enough to be timed."""
    yield against_museval("v4, four stereo stems", stems(seconds))
    yield against_museval("the same, equal channels", stems(seconds, equal_channels=True))
    mono = one_channel(stems(seconds))
    yield Task(
        "v3, four mono stems, one frame",
        ours=partial(ours, mono, window_s=math.inf, version="v3"),
        peers={
            "mir_eval": partial(mir_eval, mono),
            "fast_bss_eval (NumPy)": partial(fast_bss_eval, mono, prepare=np.asarray),
            "fast_bss_eval (PyTorch)": partial(fast_bss_eval, mono, prepare=torch.from_numpy),
        },
    )


def parity_tasks(song: Path | None) -> Iterator[Task]:
    """Every mode, on a few seconds whose length is no multiple of the window."""
    pair = stems(4.3)
    mono = one_channel(pair)
    mixed = pair[0], pair[1][[2, 0, 3, 1]]
    yield against_museval(
        "v4, filters of each window", pair, framewise_filters=True, options={"filters": "window"}
    )
    yield against_museval(
        "v4, estimates in another order",
        mixed,
        compute_permutation=True,
        options={"permutation": True},
    )
    yield against_museval("v4, one stem", (pair[0][:1], pair[1][:1]))
    yield against_museval("v4, six mono stems", one_channel(stems(4.3, count=6)))
    yield against_museval(
        "v3, frames",
        pair,
        bsseval_sources_version=True,
        framewise_filters=True,
        options={"version": "v3"},
    )
    for permutation in (False, True):
        sides = mono if not permutation else one_channel(mixed)
        yield Task(
            "v3, one frame" + (", estimates in another order" if permutation else ""),
            ours=partial(ours, sides, window_s=math.inf, version="v3", permutation=permutation),
            peers={"mir_eval": partial(mir_eval, sides, permutation=permutation)},
        )
    if song is not None:
        yield against_museval(f"v4, 10 s of {song.name}", excerpt(song))


def one_channel(pair: Pair) -> Pair:
    """The left ones."""
    true, found = (side[:, :1].copy() for side in pair)
    return true, found


def excerpt(song: Path) -> Pair:
    """10 s of a song's vocals and accompaniment from the first minute on, and estimates of them."""
    sides, rate = read_song(song, gain=1.0)
    true = np.stack(sides)[..., 60 * rate : 70 * rate].astype(np.float64)
    return true, 0.9 * true + 0.1 * true[::-1]


def timed(call: Callable[[], Table]) -> Timed:
    start = time.perf_counter()
    try:
        scores = call()
    except Exception as problem:
        return Timed(math.nan, {}, f"stops with {type(problem).__name__}")
    return Timed(time.perf_counter() - start, scores)


def difference(one: Table, other: Table, name: str) -> str:
    if name not in one or name not in other:
        return "–"
    a, b = np.asarray(one[name]), np.asarray(other[name]).reshape(np.shape(one[name]))
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return "NaN elsewhere"
    if np.isnan(a).all():
        return "–"
    with np.errstate(invalid="ignore"):
        return f"{np.nanmax(np.where(a == b, 0, np.abs(a - b))):.1e}"


def measured(tasks: Iterator[Task]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of seconds, and rows of differences."""
    seconds: list[list[str]] = []
    parity: list[list[str]] = []
    for task in tasks:
        mine = timed(task.ours)
        if mine.problem:
            raise RuntimeError(f"{task.name}: {mine.problem}")
        seconds.append([task.name, "unmix", f"{mine.seconds:.2f} s", "1"])
        for peer, call in task.peers.items():
            theirs = timed(call)
            if theirs.problem:
                seconds.append([task.name, peer, theirs.problem, "–"])
                continue
            ratio = f"{theirs.seconds / mine.seconds:.1f}"
            seconds.append([task.name, peer, f"{theirs.seconds:.2f} s", ratio])
            differences = [difference(mine.scores, theirs.scores, name) for name in SCORES]
            parity.append([task.name, peer, *differences])
    return seconds, parity


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=30.0, help="length of the timed stems")
    options.add_argument("--song", type=Path, help="a folder of stems")
    given = options.parse_args()
    warnings.simplefilter("ignore")
    # Libraries load their kernels at the first call.
    warm = stems(2.0)
    ours(warm, window_s=1.0, version="v4")
    museval(warm)
    seconds, parity = measured(speed_tasks(given.seconds))
    _, short = measured(parity_tasks(given.song))
    intro = f"{given.seconds:g} s at {RATE} Hz. {machine()}\n\n"
    table = markdown(["task", "program", "time", "times ours"], seconds)
    publish("bss_eval", intro + table, write=given.write)
    headings = ["task", "program", *(f"max Δ {name}, dB" for name in SCORES)]
    table = markdown(headings, parity + short)
    publish("bss_eval_parity", table, write=given.write, page="measures.md")


if __name__ == "__main__":
    main()
