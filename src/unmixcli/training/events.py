"""What happens in a training, as it happens; displays and logs turn these into lines and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know."""

    message: str


@dataclass(frozen=True)
class Stepped:
    """A step of the optimiser is done.

    Attributes:
        step: counted from 1.
        total: steps of the schedule.
        loss: weighted sum, of the whole step.
        parts: the losses by name, unweighted.
        rate: learning rate.
        gradient: norm before clipping.
        steps_per_s: of the last steps.
    """

    step: int
    total: int
    loss: float
    parts: Mapping[str, float]
    rate: float
    gradient: float
    steps_per_s: float


@dataclass(frozen=True)
class Validated:
    """The model was scored.

    Attributes:
        step: the last one.
        score: in dB, the mean SI-SDR improvement; with pitch, what `Scores.total` makes of both.
        targets: the improvement of each target, dB.
        best: whether no score before was as high.
        pitch: accuracies by name, 0..1, of a model that gives pitch.
    """

    step: int
    score: float
    targets: Mapping[str, float]
    best: bool
    pitch: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    """A checkpoint is complete."""

    step: int
    path: Path


@dataclass(frozen=True)
class Ended:
    """The training is over, or stopped to go on later.

    Attributes:
        step: the last one.
        reason: in words.
        finished: whether there is nothing left to do.
    """

    step: int
    reason: str
    finished: bool


Event = Noticed | Stepped | Validated | Saved | Ended
Listener = Callable[[Event], None]
