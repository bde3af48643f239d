"""What a run looks like: bars on a terminal, lines elsewhere, JSON where asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from unmixcli.batch import events
from unmixcli.batch.events import Event, Summary
from unmixcli.batch.plan import TrackPlan
from unmixcli.models.catalogue import Choice
from unmixcli.separation.stems import OutputPlan

SECONDS_BETWEEN_LINES = 10.0

# Files in which silence is that no frame is voiced.
_OF_PITCH = (".csv", ".txt", ".mid")


class Display(Protocol):
    """What the command shows; called with every event of the run."""

    def chosen(self, choice: Choice, plan: OutputPlan, device: str) -> None:
        """Say which model runs, and a better one."""

    def dry_run(self, choice: Choice, plan: OutputPlan, plans: Sequence[TrackPlan]) -> int:
        """Say what would be written; 1 if an input is missing."""

    def begin(self, tracks: int) -> None:
        """Say that so many tracks follow."""

    def __call__(self, event: Event) -> None:
        """Show an event."""

    def summary(self, summary: Summary) -> None:
        """Say how it ended."""


@contextmanager
def open_display(*, json: bool, quiet: bool, to_stderr: bool) -> Iterator[Display]:
    """The display for these options; stdout is left alone where a stem goes there."""
    stream = sys.stderr if to_stderr else sys.stdout
    if json:
        yield JsonDisplay(sys.stdout)
    elif quiet:
        yield QuietDisplay()
    elif stream.isatty():
        with Bars(stream, with_paths=not to_stderr) as bars:
            yield bars
    else:
        yield Lines(stream, with_paths=not to_stderr)


class QuietDisplay:
    """Errors on stderr, nothing else."""

    def chosen(self, choice: Choice, plan: OutputPlan, device: str) -> None:
        """Nothing."""

    def dry_run(self, choice: Choice, plan: OutputPlan, plans: Sequence[TrackPlan]) -> int:
        """Show what cannot be done."""
        del choice, plan
        problems = [problem for track in plans if (problem := _problem(track))]
        for problem in problems:
            _complain(problem)
        return 1 if problems else 0

    def begin(self, tracks: int) -> None:
        """Nothing."""

    def __call__(self, event: Event) -> None:
        """Show failures."""
        if isinstance(event, events.Failed):
            _complain(event.error)
        if isinstance(event, events.Finished | events.Skipped) and event.warning:
            _complain(event.warning)

    def summary(self, summary: Summary) -> None:
        """Nothing: every failure has been shown."""


class Lines(QuietDisplay):
    """Plain lines: one when a track starts, a few on the way, one for each file."""

    def __init__(self, stream: TextIO, *, with_paths: bool = True) -> None:
        self._stream = stream
        self._with_paths = with_paths
        self._last: dict[int, float] = {}
        self._started: dict[int, events.Started] = {}

    def say(self, text: str) -> None:
        """Write a line at once."""
        print(text, file=self._stream, flush=True)

    def chosen(self, choice: Choice, plan: OutputPlan, device: str) -> None:
        """Say which model runs, and a better one."""
        for line in _choice_lines(choice, plan, device):
            self.say(line)

    def dry_run(self, choice: Choice, plan: OutputPlan, plans: Sequence[TrackPlan]) -> int:
        """Say what would be written; 1 if an input is missing."""
        self.say(f"{choice.model.name}: {', '.join(plan.outputs)}; dry run, nothing is written")
        for track in plans:
            for path in () if _problem(track) else track.outputs.values():
                self.say(f"{track.track.label} -> {path}")
        return super().dry_run(choice, plan, plans)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        super().__call__(event)
        if isinstance(event, events.Started):
            self._started[event.index] = event
            self._last[event.index] = time.monotonic()
            self.say(_heading(event))
        elif isinstance(event, events.Progress):
            self._progress(event)
        elif isinstance(event, events.StemWritten) and not self._with_paths:
            return
        elif line := _line(event):
            self.say(line)

    def _progress(self, event: events.Progress) -> None:
        now = time.monotonic()
        if now - self._last[event.index] >= SECONDS_BETWEEN_LINES:
            self._last[event.index] = now
            share = f" ({event.position_s / event.duration_s:.0%})" if event.duration_s else ""
            self.say(f"  {_clock(event.position_s)}{share}")

    def summary(self, summary: Summary) -> None:
        """Say how many, and which failed and why."""
        for line in _summary_lines(summary):
            self.say(line)


class Bars(Lines):
    """A bar for each track, and one for the batch, above which lines appear."""

    def __init__(self, stream: TextIO, *, with_paths: bool = True) -> None:
        super().__init__(stream, with_paths=with_paths)
        self._console = Console(file=stream)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            # Errors that go to a file must get there, whole.
            redirect_stderr=sys.stderr.isatty(),
        )
        self._tasks: dict[int, TaskID] = {}
        self._begun: dict[int, float] = {}
        self._batch: TaskID | None = None

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
            self._move(event)
        else:
            if isinstance(event, events.Finished | events.Skipped | events.Failed):
                self._end(event.index)
            super().__call__(event)

    def begin(self, tracks: int) -> None:
        """Show a bar for the batch."""
        if tracks > 1:
            self._batch = self._bars.add_task("all tracks", total=tracks, speed="")

    def _start(self, event: events.Started) -> None:
        self.say(_heading(event))
        self._begun[event.index] = time.monotonic()
        self._tasks[event.index] = self._bars.add_task(
            _shortened(event.input), total=event.duration_s, speed=""
        )

    def _move(self, event: events.Progress) -> None:
        elapsed = max(1e-3, time.monotonic() - self._begun[event.index])
        self._bars.update(
            self._tasks[event.index],
            completed=event.position_s,
            speed=f"{event.position_s / elapsed:.1f}x real time",
        )

    def _end(self, index: int) -> None:
        if index in self._tasks:
            self._bars.remove_task(self._tasks.pop(index))
        if self._batch is not None:
            self._bars.advance(self._batch)


class JsonDisplay:
    """One JSON object a line on stdout; what is for people goes to stderr."""

    _NAMES: ClassVar = {
        events.Started: "start",
        events.Progress: "progress",
        events.StemWritten: "stem",
        events.Finished: "finished",
        events.Skipped: "skipped",
        events.Failed: "failed",
        events.Noticed: "notice",
    }

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def chosen(self, choice: Choice, plan: OutputPlan, device: str) -> None:
        """Say which model runs, and a better one."""
        better = choice.better.name if choice.better else None
        self._write(
            "model",
            {
                "name": choice.model.name,
                "outputs": plan.outputs,
                "device": device,
                "better": better,
                "command": choice.command or None,
            },
        )

    def dry_run(self, choice: Choice, plan: OutputPlan, plans: Sequence[TrackPlan]) -> int:
        """Say what would be written; 1 if an input is missing."""
        for track in plans:
            if problem := _problem(track):
                self._write("failed", {"input": track.track.label, "error": problem})
                continue
            outputs = {name: str(path) for name, path in track.outputs.items()}
            self._write("plan", {"input": track.track.label, "outputs": outputs})
        return QuietDisplay().dry_run(choice, plan, plans)

    def begin(self, tracks: int) -> None:
        """Nothing: each event tells the number."""

    def __call__(self, event: Event) -> None:
        """Write an event."""
        self._write(self._NAMES[type(event)], asdict(event))
        if isinstance(event, events.Failed):
            _complain(event.error)

    def summary(self, summary: Summary) -> None:
        """Write the counts."""
        self._write("summary", {**summary.as_dict(), "exit_code": summary.exit_code})

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        print(json.dumps({"event": name, **fields}, default=str), file=self._stream, flush=True)


def _problem(plan: TrackPlan) -> str:
    """Why a track can be seen to fail without opening it."""
    track = plan.track
    if track.problem or track.path is None or track.path.is_file():
        return track.problem
    return f"{track.path}: no such file"


def _choice_lines(choice: Choice, plan: OutputPlan, device: str) -> Iterator[str]:
    yield f"{choice.model.name}: {', '.join(plan.outputs)} on {device}"
    if choice.better is not None:
        licence = choice.better.card.licence
        terms = "" if licence.commercial else f" ({licence.name}, non-commercial)"
        yield f"{choice.better.name} scores better{terms}; get it by: {choice.command}"


def _heading(event: events.Started) -> str:
    number = f"[{event.index + 1}/{event.total}] " if event.total > 1 else ""
    length = f" ({_clock(event.duration_s)})" if event.duration_s is not None else ""
    return f"{number}{event.input}{length}"


def _line(event: Event) -> str:
    if isinstance(event, events.StemWritten):
        word = "unvoiced" if event.path.suffix in _OF_PITCH else "silent"
        return f"  {event.path}{f'  ({word})' if event.silent else ''}"
    if isinstance(event, events.Finished):
        speed = event.duration_s / max(event.elapsed_s, 1e-9)
        gain = f", all stems turned down by {-event.gain_db:.2f} dB" if event.gain_db else ""
        return f"  {event.elapsed_s:.1f} s, {speed:.1f}x real time{gain}"
    if isinstance(event, events.Skipped):
        return f"{event.input}: up to date"
    if isinstance(event, events.Noticed):
        return f"{event.input}: {event.message}" if event.input else event.message
    return ""


def _summary_lines(summary: Summary) -> Iterator[str]:
    counts = [f"{summary.done} done"]
    counts += [f"{summary.skipped} up to date"] if summary.skipped else []
    counts += [f"{len(summary.failures)} failed"] if summary.failures else []
    if summary.done + summary.skipped + len(summary.failures) > 1:
        yield ", ".join(counts)
        yield from (f"  failed: {reason}" for reason in summary.failures.values())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _shortened(name: str, width: int = 40) -> str:
    text = name if len(name) <= width else "…" + name[1 - width :]
    # Brackets would be read as markup.
    return text.replace("[", r"\[")


def _complain(message: str) -> None:
    print(f"unmix: error: {message}", file=sys.stderr, flush=True)
