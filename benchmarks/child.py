"""What runs in the process of one program: it separates a task's songs and says what it took.

A program takes a song and yields stems, `(stems, channels, samples)`: peers the whole song at
once, ours block by block as `unmix separate` does, so that only theirs hold all of it.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from benchmarks.task import FULL, Run, Task
from unmixcli.models.catalogue import Model
from unmixcli.models.spectral import SpectralModel
from unmixcli.models.waveform import WaveformModel
from unmixcli.separation.device import HALF, resolve_device
from unmixcli.separation.session import Session
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request, plan_outputs

RATE = 44100
BLOCK = 65536
WARM_UP_S = 10.0
COMPARED_S = 30.0
SAMPLED_EVERY_S = 0.02


@dataclass(frozen=True)
class Song:
    """Stereo noise, the same each time."""

    seconds: float
    seed: int = 0

    @property
    def samples(self) -> int:
        """How many."""
        return round(self.seconds * RATE)

    def blocks(self) -> Iterator[Tensor]:
        """As they would come from a file, `(2, samples)`."""
        random = torch.Generator().manual_seed(self.seed)
        for start in range(0, self.samples, BLOCK):
            yield torch.rand((2, min(BLOCK, self.samples - start)), generator=random) - 0.5

    def whole(self) -> Tensor:
        """All of it, `(2, samples)`."""
        song, start = torch.empty(2, self.samples), 0
        for block in self.blocks():
            song[:, start : start + block.shape[-1]] = block
            start += block.shape[-1]
        return song


Program = Callable[[Song], Iterable[Tensor]]
Builder = Callable[[Task], Program]


def report(builder: Builder, task: Task, *, by_onnx: bool = False) -> None:
    """Do a task and print the JSON of a `Run`.

    Args:
        builder: makes the program for the task's device and precision.
        task: what is separated.
        by_onnx: whether the network's memory on a GPU is unknown to torch.
    """
    check_device(task.device)
    with torch.no_grad():
        run = measured(builder, task, by_onnx=by_onnx)
        if task.precision != FULL:
            error = reduction_error(builder, replace(task, song_s=min(task.song_s, COMPARED_S)))
            run = replace(run, error=error)
    print(json.dumps(asdict(run)))


def check_device(name: str) -> None:
    """See that the device is there.

    Raises:
        SystemExit: if it is not.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"--device cuda: torch {torch.__version__} finds no CUDA device here; --device cpu runs"
        )


def measured(builder: Builder, task: Task, *, by_onnx: bool) -> Run:
    """Warm up on the first seconds, then separate all songs; the clock stops at the last stems."""
    watch = device_memory if by_onnx else torch_memory
    with watch(task.device) as device_peak:
        program = builder(task)
        consume(program, Song(min(task.song_s, WARM_UP_S)))
        started = time.perf_counter()
        for number in range(task.songs):
            consume(program, Song(task.song_s, seed=number))
        seconds = time.perf_counter() - started
        on_device = device_peak()
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    return Run(seconds, peak, device_peak=on_device)


def consume(program: Program, song: Song) -> None:
    """Separate a song and forget the stems.

    Raises:
        RuntimeError: if they are not as long as the song.
    """
    samples = sum(stems.shape[-1] for stems in program(song))
    if samples != song.samples:
        raise RuntimeError(f"{samples} samples came out of {song.samples}")


def reduction_error(builder: Builder, task: Task) -> float:
    """The largest difference that a reduced precision makes over the largest value of a song."""
    song = Song(task.song_s)
    reduced, full = (
        torch.cat(list(builder(each)(song)), dim=-1)
        for each in (task, replace(task, precision=FULL))
    )
    return float((reduced - full).abs().max() / full.abs().max())


@contextmanager
def torch_memory(device: str) -> Iterator[Callable[[], int | None]]:
    """What torch's tensors hold at most; None on the CPU."""
    if device != "cuda":
        yield lambda: None
        return
    torch.cuda.reset_peak_memory_stats()
    yield torch.cuda.max_memory_allocated


@contextmanager
def device_memory(device: str) -> Iterator[Callable[[], int | None]]:
    """What the whole device holds at most beyond what it held before, looked at now and then."""
    if device != "cuda":
        yield lambda: None
        return
    before, stop = torch.cuda.mem_get_info()[0], threading.Event()
    free = [before]

    def look() -> None:
        while not stop.wait(SAMPLED_EVERY_S):
            free[0] = min(free[0], torch.cuda.mem_get_info()[0])

    thread = threading.Thread(target=look, name="device-memory", daemon=True)
    thread.start()
    try:
        yield lambda: before - free[0]
    finally:
        stop.set()
        thread.join()


def ours(
    model: Model,
    network: SpectralModel | WaveformModel,
    *,
    task: Task,
    wiener_iterations: int | None = None,
    every: bool = False,
) -> Program:
    """Ours, as `unmix separate` runs it: a network that is loaded once, an engine for each song.

    With `every`, all stems come from the network, as a peer's do, and none is the mix minus the
    others.
    """
    stems = replace(model.stem_set, residual=None) if every else model.stem_set
    place = resolve_device(task.device, card=model.card)
    half = None if task.precision == FULL else task.precision
    session = Session(
        model,
        network.eval().to(place),
        plan_outputs(stems, Request(), model=model.name),
        SpectralOptions(half=half, wiener_iterations=wiener_iterations),
    )
    return lambda song: session.engine(sample_rate=RATE, channels=2).stream(song.blocks())


def theirs(separate: Callable[[Tensor], Tensor], *, task: Task) -> Program:
    """A peer: the whole song in, `(stems, 2, samples)` out, brought back from the device."""

    def run(song: Song) -> Iterator[Tensor]:
        mix = song.whole()
        with reduced(task):
            stems = separate(mix)
        yield stems.float().cpu()

    return run


def reduced(task: Task) -> AbstractContextManager[object]:
    """The precision of a task, as the peers' own programs reduce it."""
    half = HALF.get(task.precision)
    return torch.autocast(task.device, dtype=half, enabled=half is not None)
