"""Comparisons: runs are kept and not done twice, long ones are refused, tables say what was run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from benchmarks.comparison import Bench, Peer, Plan, options_of, plan_of, run_child, table
from benchmarks.kept import Kept, Row
from benchmarks.task import Run, Task

PEER = Peer("test", "nowhere", {"peer": "peer", "unmix": "unmix"}, halves=("fp16",))
MINUTE = Task(60.0)
HOUR = Task(3600.0)


class Launcher:
    """Stands for processes: each takes two seconds per second of music; the peer holds double."""

    def __init__(self, *, interrupted_at: int | None = None) -> None:
        self.started: list[tuple[str, Task]] = []
        self._interrupted_at = interrupted_at

    def __call__(self, peer: Peer, program: str, task: Task) -> Run:
        if len(self.started) == self._interrupted_at:
            raise KeyboardInterrupt
        self.started.append((program, task))
        return Run(2.0 * task.music_s, 200 if program == "peer" else 100)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[[Launcher], Bench]:
    """One that finds on disk what the one before it has kept."""
    return lambda launcher: Bench(Kept(tmp_path / "speed.json"), launcher, "here")


@pytest.mark.parametrize("interrupted_at", range(8))
def test_what_is_finished_is_not_done_again(
    bench: Callable[[Launcher], Bench], interrupted_at: int
) -> None:
    plan = Plan((MINUTE, Task(30.0, songs=2)), repeats=2)
    whole = Launcher()
    first, second = Launcher(interrupted_at=interrupted_at), Launcher()
    with pytest.raises(KeyboardInterrupt):
        bench(first).measure(PEER, plan)
    bench(second).measure(PEER, plan)
    expected = [(p, t) for t in plan.tasks for _ in range(2) for p in PEER.programs]
    assert first.started + second.started == expected
    bench(whole).measure(PEER, plan)
    assert not whole.started


def test_another_machine_starts_anew(bench: Callable[[Launcher], Bench], tmp_path: Path) -> None:
    plan = Plan((MINUTE,), repeats=1)
    bench(Launcher()).measure(PEER, plan)
    other = Launcher()
    there = Bench(Kept(tmp_path / "speed.json"), other, "there")
    there.measure(PEER, plan)
    assert len(other.started) == 2
    text = there.text(PEER)
    assert text.index("here") < text.index("there")
    assert text.count("| 1 min | unmix |") == 2


def test_again_replaces(bench: Callable[[Launcher], Bench]) -> None:
    bench(Launcher()).measure(PEER, Plan((MINUTE,), repeats=1))
    again = Launcher()
    subject = bench(again)
    subject.measure(PEER, Plan((MINUTE,), repeats=1, again=True))
    assert len(again.started) == 2
    assert [len(row.runs) for row in subject.kept.rows] == [1, 1]


def test_what_takes_longer_than_the_budget_is_not_started(
    bench: Callable[[Launcher], Bench],
) -> None:
    launcher = Launcher()
    subject = bench(launcher)
    subject.measure(PEER, Plan((HOUR,), budget_s=7199.0))
    assert all(task.probe for _, task in launcher.started)
    assert len(launcher.started) == 2
    assert "| 60 min | unmix | not run: about 2.0 h |" in subject.text(PEER)


def test_a_larger_budget_starts_what_was_refused(bench: Callable[[Launcher], Bench]) -> None:
    bench(Launcher()).measure(PEER, Plan((HOUR,), budget_s=60.0))
    launcher = Launcher()
    subject = bench(launcher)
    subject.measure(PEER, Plan((HOUR,), budget_s=7201.0))
    assert launcher.started == [("peer", HOUR), ("unmix", HOUR)]
    assert "not run" not in subject.text(PEER)


def test_the_longest_run_gives_the_estimate(bench: Callable[[Launcher], Bench]) -> None:
    launcher = Launcher()
    subject = bench(launcher)
    for seconds, run in ((30.0, Run(1e6, 1)), (60.0, Run(60.0, 1)), (300.0, Run(problem="no"))):
        for program in PEER.programs:
            subject.kept.add(Row("here", "test", program, Task(seconds)), run)
    subject.measure(PEER, Plan((HOUR,), budget_s=3601.0))
    assert launcher.started == [("peer", HOUR), ("unmix", HOUR)]


def test_a_table_has_ratios_to_ours_and_the_fastest_run() -> None:
    rows = [
        Row("here", "test", "peer", MINUTE, (Run(90.0, 3_000_000), Run(60.0, 4_000_000))),
        Row("here", "test", "unmix", MINUTE, (Run(30.0, 2_000_000),)),
    ]
    lines = table(rows, peer=PEER).splitlines()
    assert lines[2:] == [
        "| 1 min | peer | 60.0 s | 1.000 | 4 MB | 2.00 | 2.00 |",
        "| 1 min | unmix | 30.0 s | 0.500 | 2 MB | 1.00 | 1.00 |",
    ]


def test_every_line_has_as_many_cells() -> None:
    half = Task(60.0, device="cuda", precision="fp16")
    rows = [
        Row("here", "test", "peer", HOUR, (Run(problem="not run: about 3.0 h"),)),
        Row("here", "test", "unmix", half, (Run(1.0, 10**6, device_peak=10**9, error=4e-4),)),
    ]
    for chosen in (rows[:1], rows):
        lines = table(chosen, peer=PEER).splitlines()
        assert len({line.count("|") for line in lines}) == 1
    assert "| 1 min, fp16 | unmix | 1.0 s | 0.017 | 1 MB | 1000 MB | 4e-04 | 1.00 |" in lines[-1]


def test_each_number_of_iterations_is_compared_with_its_own() -> None:
    peer = Peer("test", "nowhere", {"a 1": "", "b 1": ""}, own={"a 1": "b 1", "b 1": "b 1"})
    rows = [
        Row("here", "test", "a 1", MINUTE, (Run(3.0, 1),)),
        Row("here", "test", "b 1", MINUTE, (Run(2.0, 1),)),
    ]
    assert "| 1.50 | 1.00 |" in table(rows, peer=peer)


@pytest.mark.parametrize(("device", "precisions"), [("cpu", 1), ("cuda", 2)])
def test_reduced_precision_is_for_gpus(device: str, precisions: int) -> None:
    tasks = list(Plan((Task(60.0, device=device),)).of(PEER))
    assert [task.precision for task in tasks] == ["float32", "fp16"][:precisions]
    assert {task.device for task in tasks} == {device}


def test_options_become_tasks() -> None:
    words = ["--minutes", "60", "1", "--songs", "20", "--song-seconds", "30", "--device", "cuda"]
    plan = plan_of(options_of("Test.").parse_args([*words, "--budget-minutes", "3"]))
    assert plan.tasks == (
        Task(60.0, device="cuda"),
        Task(3600.0, device="cuda"),
        Task(30.0, songs=20, device="cuda"),
    )
    assert plan.budget_s == 180


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process' data")
def test_a_child_without_memory_is_a_line_and_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(available=1_200_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    command = [sys.executable, "-c", "bytearray(300_000_000)"]
    run = run_child(command, limited=True)
    assert run.problem == "stopped for want of memory, which needs more than 0.2 GB"
    assert run.seconds == 0


def test_a_child_that_fails_ends_the_command() -> None:
    with pytest.raises(SystemExit, match="a reason"):
        run_child([sys.executable, "-c", "raise SystemExit('a reason')"], limited=True)


def test_a_gpu_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from benchmarks import comparison

    monkeypatch.setattr(comparison.torch.cuda, "is_available", lambda: False)
    given = options_of("Test.").parse_args(["--device", "cuda", "--kept", str(tmp_path / "k")])
    with pytest.raises(SystemExit, match="finds no CUDA device here"):
        comparison.compare([PEER], given)


def test_a_kept_file_is_whole_after_each_run(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    kept = Kept(path)
    for number in range(3):
        kept.add(Row("here", "test", "unmix", MINUTE), Run(float(number), number))
        assert Kept(path).rows == kept.rows
    assert [run.seconds for run in kept.rows[0].runs] == [0.0, 1.0, 2.0]
