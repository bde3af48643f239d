"""What happens in a run, as it happens; displays turn these into bars or lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Started:
    """A track begins."""

    index: int
    total: int
    track: str


@dataclass(frozen=True)
class Progress:
    """A share of a track, 0 to 1, is done; `stage` is what comes next."""

    index: int
    share: float
    stage: str


@dataclass(frozen=True)
class Finished:
    """A track has been scored; `silent` are its targets whose reference holds nothing."""

    index: int
    track: str
    elapsed_s: float
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A track was scored before."""

    index: int
    track: str


@dataclass(frozen=True)
class Failed:
    """A track could not be scored."""

    index: int
    track: str
    error: str


Event = Started | Progress | Finished | Skipped | Failed
Listener = Callable[[Event], None]


@dataclass
class Summary:
    """The outcome of a run, counted from its events."""

    done: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def count(self, event: Event) -> None:
        """Take note of an event."""
        self.done += isinstance(event, Finished)
        self.skipped += isinstance(event, Skipped)
        if isinstance(event, Failed):
            self.failures[event.track] = event.error

    @property
    def exit_code(self) -> int:
        """0 if every track has its scores, else 1."""
        return 1 if self.failures else 0
