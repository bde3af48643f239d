"""Programs that separate the same samples by the same network, each in processes of its own.

Every task is done by all programs in turn, so that all see the same machine, and the fastest of
their processes counts. What would take longer than the budget is not started: the table says so.
"""

from __future__ import annotations

import argparse
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import psutil
import torch

from benchmarks.child import check_device
from benchmarks.kept import Kept, Row
from benchmarks.report import DOCS, machine, markdown, parser, publish
from benchmarks.task import FULL, Run, Task

KEPT = DOCS / "speed.json"
PROBE_S = 10.0
# From here on a run is estimated first, and not repeated.
LONG_S = 90.0
SPARED_BYTES = 10**9
NOT_RUN = "not run"

_OUT_OF_MEMORY = (
    "MemoryError",
    "OutOfMemoryError",
    "allocate memory",
    "Unable to allocate",
    "Failed to allocate",
    "bad_alloc",
    "out of memory",
)


@dataclass(frozen=True)
class Peer:
    """One comparison.

    Attributes:
        name: of the place in the docs.
        module: of the children: `python -m MODULE WORD FOLDER TASK` prints the JSON of a `Run`.
        programs: the WORD of each, by its name in the tables.
        own: the program that each one is compared with, "unmix" unless it is here.
        about: what the music becomes.
        halves: reduced precisions on a GPU.
        cuda: whether there is a way to run on a GPU.
        after: a module that writes a table of its own about the CPU.
    """

    name: str
    module: str
    programs: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict)
    about: str = "stereo music, four stems"
    halves: tuple[str, ...] = ()
    cuda: bool = True
    after: str = ""

    def own_of(self, program: str) -> str:
        """Ours, for one of the programs."""
        return self.own.get(program, "unmix")


@dataclass(frozen=True)
class Plan:
    """What is measured, by all peers.

    Attributes:
        tasks: on the device, in float32.
        repeats: processes for each program and task of less than `LONG_S` of music.
        budget_s: a process that would take longer is not started.
        again: whether runs that are kept are done anew.
        write: whether tables go into the docs.
    """

    tasks: tuple[Task, ...]
    repeats: int = 2
    budget_s: float = 1200.0
    again: bool = False
    write: bool = False

    def of(self, peer: Peer) -> Iterator[Task]:
        """The peer's tasks, those of reduced precision beside those that they are like."""
        for task in self.tasks:
            yield task
            for half in peer.halves if task.device == "cuda" else ():
                yield replace(task, precision=half)


Launch = Callable[[Peer, str, Task], Run]


@dataclass(frozen=True)
class Bench:
    """What measuring needs: where runs are kept, and what does one."""

    kept: Kept
    launch: Launch
    machine: str

    def measure(self, peer: Peer, plan: Plan) -> None:
        """Do what is not kept yet, or all of it again."""
        if plan.again:
            self._forget(peer, frozenset(plan.of(peer)))
        for task in plan.of(peer):
            for repeat in range(1 if task.music_s >= LONG_S else plan.repeats):
                for program in peer.programs:
                    row = Row(self.machine, peer.name, program, task)
                    if len(_done(self.kept.runs(row))) <= repeat:
                        self._run(peer, row, plan.budget_s)

    def text(self, peer: Peer) -> str:
        """The tables of all that is kept, one a machine."""
        rows = [row for row in self.kept.rows if row.peer == peer.name and not row.task.probe]
        rows.sort(key=partial(_place, peer))
        return "\n".join(
            f"{peer.about.capitalize()}. {place}\n\n{table(list(group), peer=peer)}"
            for place, group in groupby(rows, key=lambda row: row.machine)
        )

    def _forget(self, peer: Peer, tasks: frozenset[Task]) -> None:
        def asked(row: Row) -> bool:
            here = row.machine == self.machine and row.peer == peer.name
            return here and (row.task in tasks or row.task.probe)

        self.kept.forget(asked)

    def _run(self, peer: Peer, row: Row, budget_s: float) -> None:
        estimate = self._estimate_s(peer, row)
        if estimate > budget_s:
            self.kept.add(row, Run(problem=f"{NOT_RUN}: about {_long(estimate)}"))
            return
        self.kept.add(row, self.launch(peer, row.program, row.task))

    def _estimate_s(self, peer: Peer, row: Row) -> float:
        """Seconds, from the longest run of the program that is kept; for long music one is made.

        Nothing where nothing is known.
        """
        known = self._alike(row)
        if not known and row.task.music_s >= LONG_S:
            probe = Task(PROBE_S, device=row.task.device, precision=row.task.precision, probe=True)
            self.kept.add(replace(row, task=probe), self.launch(peer, row.program, probe))
            known = self._alike(row)
        if not known:
            return 0.0
        longest = max(known, key=lambda each: each.task.music_s)
        return longest.best.seconds / longest.task.music_s * row.task.music_s

    def _alike(self, row: Row) -> list[Row]:
        """Rows with figures of the same program, device and precision."""

        def what(each: Row) -> tuple[str, ...]:
            return each.machine, each.peer, each.program, each.task.device, each.task.precision

        rows = [each for each in self.kept.rows if what(each) == what(row)]
        return [each for each in rows if not each.best.problem]


def _done(runs: Sequence[Run]) -> list[Run]:
    """Those that need not be tried again: one that was not started may be."""
    return [run for run in runs if not run.problem.startswith(NOT_RUN)]


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _place(peer: Peer, row: Row) -> tuple[str, bool, float, bool, str, int]:
    """Where a row stands in the tables."""
    task, programs = row.task, list(peer.programs)
    where = programs.index(row.program) if row.program in programs else len(programs)
    reduced = task.precision != FULL
    return row.machine, task.songs > 1, task.music_s, reduced, task.precision, where


def table(rows: Sequence[Row], *, peer: Peer) -> str:
    """A line a row, with what it takes relative to ours."""
    best = {(row.program, row.task): row.best for row in rows}
    on_gpu = any(row.best.device_peak is not None for row in rows)
    headings = ["music", "program", "time", "seconds per second of music", "peak memory"]
    headings += ["memory of the GPU", "error"] if on_gpu else []
    headings += ["time / ours", "memory / ours"]
    lines = [
        _line(row, best.get((peer.own_of(row.program), row.task)), on_gpu=on_gpu) for row in rows
    ]
    return markdown(headings, lines)


def _line(row: Row, own: Run | None, *, on_gpu: bool) -> list[str]:
    run, task = row.best, row.task
    name = task.name if task.precision == FULL else f"{task.name}, {task.precision}"
    if run.problem:
        return [name, row.program, run.problem] + [""] * (6 if on_gpu else 4)
    cells = [name, row.program, f"{run.seconds:.1f} s", f"{run.seconds / task.music_s:.3f}"]
    cells.append(f"{run.peak / 1e6:.0f} MB")
    if on_gpu:
        cells.append("" if run.device_peak is None else f"{run.device_peak / 1e6:.0f} MB")
        cells.append("" if run.error is None else f"{run.error:.0e}")
    if own is None or own.problem:
        return [*cells, "", ""]
    return [*cells, f"{run.seconds / own.seconds:.2f}", f"{run.peak / own.peak:.2f}"]


def launcher(folder: Path) -> Launch:
    """Does runs in processes of their own, which share files in a folder."""

    def launch(peer: Peer, program: str, task: Task) -> Run:
        command = [sys.executable, "-m", peer.module, peer.programs[program]]
        command += [str(folder), task.to_json()]
        print(f"{peer.name}: {program}, {task.name} on {task.device}", file=sys.stderr, flush=True)
        return run_child(command, limited=task.device == "cpu")

    return launch


def run_child(command: Sequence[str], *, limited: bool) -> Run:
    """Run a child; one that needs more memory than there is ends, and nothing else does.

    Raises:
        SystemExit: if it fails for another reason.
    """
    # A GPU's driver reserves far more addresses than it uses.
    limit = psutil.virtual_memory().available - SPARED_BYTES if limited else None
    done = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=partial(_limit_memory, limit)
    )
    if done.returncode == 0:
        return Run.last_line(done.stdout)
    killed = done.returncode == -signal.SIGKILL
    if killed or any(word in done.stderr for word in _OUT_OF_MEMORY):
        more = "" if limit is None else f", which needs more than {limit / 1e9:.1f} GB"
        return Run(problem=f"stopped for want of memory{more}")
    raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")


def _limit_memory(limit: int | None) -> None:
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))


def options_of(description: str | None) -> argparse.ArgumentParser:
    """The options of a comparison."""
    options = parser(description)
    options.add_argument("--minutes", type=float, nargs="*", default=[1.0], help="songs alone")
    options.add_argument("--songs", type=int, default=0, help="a batch of so many; 0 is none")
    options.add_argument("--song-seconds", type=float, default=30.0, help="each one of the batch")
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--repeats", type=int, default=2, help="processes for short tasks")
    options.add_argument(
        "--budget-minutes", type=float, default=20.0, help="start no process that takes longer"
    )
    options.add_argument("--again", action="store_true", help="measure what is kept anew")
    options.add_argument("--kept", type=Path, default=KEPT, help="where finished runs are")
    return options


def plan_of(given: argparse.Namespace) -> Plan:
    """What the options ask for, the shortest songs first."""
    tasks = [Task(60 * minutes, device=given.device) for minutes in sorted(given.minutes)]
    if given.songs:
        tasks.append(Task(given.song_seconds, songs=given.songs, device=given.device))
    return Plan(tuple(tasks), given.repeats, 60 * given.budget_minutes, given.again, given.write)


def compare(peers: Sequence[Peer], given: argparse.Namespace) -> None:
    """Measure peers one after another; tables are written after each.

    Raises:
        SystemExit: for a device that is not there.
    """
    check_device(given.device)
    plan, place = plan_of(given), machine()
    if given.device == "cuda":
        place += f" {torch.cuda.get_device_name()}."
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Kept(given.kept), launcher(Path(folder)), place)
        for peer in peers:
            if peer.cuda or given.device == "cpu":
                bench.measure(peer, plan)
                publish(peer.name, bench.text(peer), write=plan.write)
            if peer.after and given.device == "cpu":
                write = ["--write"] if plan.write else []
                subprocess.run([sys.executable, "-m", peer.after, *write], check=True)


def main(peer: Peer, description: str | None) -> None:
    """The command of one comparison."""
    compare([peer], options_of(description).parse_args())
