"""Runs that are finished, in a file: a measurement that is interrupted goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.task import Run, Task
from unmixcli.finished import write_text
from unmixcli.models.card import Card

_WORDS = {"title", "description", "licence", "training_data", "citation", "scores", "speeds"}


@dataclass(frozen=True)
class Row:
    """The runs of one program on one task.

    Attributes:
        machine: what the figures depend on, as `report.machine` says it.
        peer: the name of the comparison.
        program: as tables have it.
        task: what was separated.
        runs: one a process.
    """

    machine: str
    peer: str
    program: str
    task: Task
    runs: tuple[Run, ...] = ()

    @property
    def best(self) -> Run:
        """The fastest one; one without figures if there is no other."""
        done = [run for run in self.runs if not run.problem]
        return min(done, key=lambda run: run.seconds) if done else self.runs[-1]

    @property
    def key(self) -> tuple[str, str, str, Task]:
        """What the runs are of."""
        return self.machine, self.peer, self.program, self.task


class Kept:
    """The rows of a file, which is written after each run, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        self.rows = tuple(_row(each) for each in found)

    def runs(self, row: Row) -> tuple[Run, ...]:
        """Those of the same program, task and machine."""
        return next((each.runs for each in self.rows if each.key == row.key), ())

    def add(self, row: Row, run: Run) -> None:
        """Keep a run; one without figures goes when another one comes."""
        before = tuple(each for each in self.runs(row) if not each.problem)
        others = tuple(each for each in self.rows if each.key != row.key)
        self._write((*others, replace(row, runs=(*before, run))))

    def forget(self, which: Callable[[Row], bool]) -> None:
        """Drop rows."""
        self._write(tuple(row for row in self.rows if not which(row)))

    def _write(self, rows: tuple[Row, ...]) -> None:
        self.rows = rows
        text = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False)
        write_text(self._path, text + "\n")


def _row(found: dict[str, object]) -> Row:
    task, runs = found.pop("task"), found.pop("runs")
    assert isinstance(task, dict)
    assert isinstance(runs, list)
    words = {name: str(value) for name, value in found.items()}
    return Row(**words, task=Task(**task), runs=tuple(Run(**run) for run in runs))


def card_facts(card: Card) -> dict[str, Any]:
    """What a result depends on; a score that a card is given later is no part of it."""
    return card.model_dump(mode="json", exclude=_WORDS)
