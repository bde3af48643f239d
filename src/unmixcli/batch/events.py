"""What happens in a run, as it happens; displays turn these into text, bars or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """A track begins; `duration_s` is None where the container does not tell."""

    index: int
    total: int
    input: str
    duration_s: float | None
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Progress:
    """A track has been separated up to here."""

    index: int
    position_s: float
    duration_s: float | None


@dataclass(frozen=True)
class StemWritten:
    """A file is complete."""

    index: int
    stem: str
    path: Path
    samples: int
    peak: float
    silent: bool


@dataclass(frozen=True)
class Finished:
    """A track is complete; `warning` tells why it is not whole, if it is not."""

    index: int
    input: str
    elapsed_s: float
    duration_s: float
    gain_db: float = 0.0
    sample_rate: int = 0
    warning: str = ""


@dataclass(frozen=True)
class Skipped:
    """A track was done before."""

    index: int
    input: str
    warning: str = ""


@dataclass(frozen=True)
class Failed:
    """A track could not be done."""

    index: int
    input: str
    error: str


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know, about the run or, where `input` names it, one track."""

    message: str
    input: str = ""


Event = Started | Progress | StemWritten | Finished | Skipped | Failed | Noticed
Listener = Callable[[Event], None]


@dataclass
class Summary:
    """The outcome of a run, counted from its events."""

    done: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def count(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Finished):
            self.done += not event.warning
        if isinstance(event, Skipped):
            self.skipped += not event.warning
        if isinstance(event, Failed):
            self.failures[event.input] = event.error
        if isinstance(event, Finished | Skipped) and event.warning:
            self.failures[event.input] = event.warning

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if any track failed or was not whole."""
        return 1 if self.failures else 0

    def as_dict(self) -> Mapping[str, object]:
        """For the JSON summary."""
        return {"done": self.done, "skipped": self.skipped, "failed": dict(self.failures)}
