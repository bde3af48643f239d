"""What a training looks like: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unmixcli.training import events
from unmixcli.training.events import Event
from unmixcli.training.recipe import Recipe
from unmixcli.training.run import Check

_SECONDS_BETWEEN_LINES = 10.0


class Lines:
    """Plain lines: steps every few seconds, and whatever else happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        """Write a line at once."""
        print(text, file=self._stream, flush=True)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, events.Stepped):
            self._step(event)
        elif line := _line(event):
            self.say(line)

    def _step(self, event: events.Stepped) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES or event.step == event.total:
            self._last = now
            self.say(f"step {event.step}/{event.total}: {_measured(event)}")


class Bar(Lines):
    """One bar for the whole training, above which lines appear."""

    def __init__(self, stream: TextIO, *, name: str, steps: int) -> None:
        super().__init__(stream)
        self._console = Console(file=stream)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measured]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(name, total=steps, measured="")

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _step(self, event: events.Stepped) -> None:
        self._bar.update(self._task, completed=event.step, measured=_measured(event))


@contextmanager
def open_display(recipe: Recipe) -> Iterator[Lines]:
    """A bar on a terminal, lines elsewhere."""
    if not sys.stdout.isatty():
        yield Lines(sys.stdout)
        return
    with Bar(sys.stdout, name=recipe.name, steps=recipe.schedule.steps) as bar:
        yield bar


def check_lines(recipe: Recipe, measured: Check, *, device: str) -> Iterator[str]:
    """What a recipe would do."""
    minutes = measured.step_s * recipe.schedule.steps / 60
    yield f"{recipe.name}: {', '.join(recipe.network.stems)} by {recipe.network.architecture}"
    yield f"  {measured.parameters:,} parameters ({measured.parameters * 4 / 1e6:.1f} MB)"
    yield f"  {measured.tracks} tracks ({measured.hours:.2f} h), {measured.validation} to validate"
    yield f"  {recipe.excerpts.batch} excerpts of {measured.excerpt_s:.2f} s a batch"
    yield f"  loss: {' + '.join(f'{weight:g} {name}' for name, weight in recipe.loss.items())}"
    yield (
        f"  {measured.step_s:.2f} s a step on {device} (one batch of data alone "
        f"{measured.data_s:.3f} s), {measured.peak_bytes / 1e6:.0f} MB"
    )
    yield f"  {recipe.schedule.steps} steps: about {minutes:.0f} minutes"


def _measured(event: events.Stepped) -> str:
    return f"loss {event.loss:.4f}, {event.steps_per_s:.2f} steps/s, rate {event.rate:.1e}"


def _line(event: Event) -> str:
    if isinstance(event, events.Noticed):
        return event.message
    if isinstance(event, events.Validated):
        targets = ", ".join(f"{name} {value:.2f}" for name, value in event.targets.items())
        best = ", the best so far" if event.best else ""
        if event.pitch:
            pitch = ", ".join(f"{name} {value:.3f}" for name, value in event.pitch.items())
            return (
                f"step {event.step}: score {event.score:.2f} "
                f"(SI-SDR improvement in dB: {targets}; pitch: {pitch}){best}"
            )
        return f"step {event.step}: SI-SDR improvement {event.score:.2f} dB ({targets}){best}"
    if isinstance(event, events.Ended):
        return f"step {event.step}: {event.reason}"
    return ""
