"""What an evaluation looks like: bars on a terminal, lines elsewhere, tables on both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from unmixcli.evaluation import events
from unmixcli.evaluation.events import Event, Summary
from unmixcli.evaluation.tables import Table

_GAP = "  "


class Lines:
    """Plain lines: one when a track starts, one when it is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, text: str) -> None:
        """Write a line at once."""
        print(text, file=self._stream, flush=True)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, events.Failed):
            print(f"unmix: error: {event.error}", file=sys.stderr, flush=True)
        elif line := _line(event):
            self.say(line)

    def table(self, table: Table) -> None:
        """Show a table, numbers to the right."""
        self.say("")
        for line in _plain_table(table):
            self.say(line)


class Bars(Lines):
    """A bar for each track, and one for the run, above which lines appear."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._console = Console(file=stream)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[stage]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[int, TaskID] = {}
        self._all: TaskID | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        if isinstance(event, events.Started):
            self._start(event)
        elif isinstance(event, events.Progress):
            self._bars.update(
                self._tasks[event.index], completed=100 * event.share, stage=event.stage
            )
        else:
            self._end(event.index)
            super().__call__(event)

    def table(self, table: Table) -> None:
        """Show a table as wide as the terminal allows."""
        drawn = RichTable(title=escape(table.title), title_justify="left", header_style="bold")
        for column, heading in enumerate(table.headings):
            is_word = column < table.words
            drawn.add_column(escape(heading), justify="left" if is_word else "right")
        for row in table.rows:
            drawn.add_row(*(escape(cell).replace(" \\[", "\n\\[") for cell in row))
        self._bars.stop()
        self._console.print(drawn)

    def _start(self, event: events.Started) -> None:
        if event.total > 1 and self._all is None:
            self._all = self._bars.add_task("all tracks", total=event.total, stage="")
        self._tasks[event.index] = self._bars.add_task(escape(event.track), total=100, stage="")

    def _end(self, index: int) -> None:
        if index in self._tasks:
            self._bars.remove_task(self._tasks.pop(index))
        if self._all is not None:
            self._bars.advance(self._all)


@contextmanager
def open_display() -> Iterator[Lines]:
    """Bars on a terminal, lines elsewhere."""
    if not sys.stdout.isatty():
        yield Lines(sys.stdout)
        return
    with Bars(sys.stdout) as bars:
        yield bars


def summary_lines(summary: Summary) -> Iterator[str]:
    """How many tracks were scored, and which failed and why."""
    counts = [f"{summary.done} scored"]
    counts += [f"{summary.skipped} up to date"] if summary.skipped else []
    counts += [f"{len(summary.failures)} failed"] if summary.failures else []
    yield ", ".join(counts)
    yield from (f"  failed: {reason}" for reason in summary.failures.values())


def _line(event: Event) -> str:
    if isinstance(event, events.Started):
        return f"[{event.index + 1}/{event.total}] {event.track}"
    if isinstance(event, events.Finished):
        silent = f", silent: {', '.join(event.silent)}" if event.silent else ""
        return f"  {event.track}: {event.elapsed_s:.1f} s{silent}"
    return f"{event.track}: up to date" if isinstance(event, events.Skipped) else ""


def _plain_table(table: Table) -> Iterator[str]:
    """Columns as wide as their widest cell, headings above numbers cut into lines of words."""
    yield table.title
    headings = _stacked(table.headings)
    lines = [*headings, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.headings))]
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if column < table.words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield _GAP.join(cells).rstrip()
        if number == len(headings) - 1:
            yield _GAP.join("-" * width for width in widths)


def _stacked(headings: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Headings of several parts, one part a line, the last line full."""
    parts = [heading.split(", ") for heading in headings]
    height = max(map(len, parts))
    padded = [[""] * (height - len(part)) + part for part in parts]
    return list(zip(*padded, strict=True))
