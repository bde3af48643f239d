"""What a task is called, and its way to another process."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from benchmarks.task import Run, Task


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Task(60.0), "1 min"),
        (Task(3600.0), "60 min"),
        (Task(90.0), "90 s"),
        (Task(30.0, songs=20), "20 × 30 s"),
        (Task(120.0, songs=3), "3 × 2 min"),
    ],
)
def test_names(task: Task, name: str) -> None:
    assert task.name == name


def test_a_task_is_the_same_on_the_other_side() -> None:
    task = Task(0.1 + 0.2, songs=3, device="cuda", precision="bf16", probe=True)
    assert Task.from_json(task.to_json()) == task


def test_the_last_line_counts() -> None:
    run = Run(1.5, 7, device_peak=3, error=1e-3)
    assert Run.last_line("a warning\n" + json.dumps(asdict(run)) + "\n\n") == run
