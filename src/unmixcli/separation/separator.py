"""What every method of separation is: blocks of the mix in, blocks of stems out."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Separator(Protocol):
    """A separator at its own sample rate; one track at a time.

    Attributes:
        stems: names along the first axis of what comes out.
        sample_rate: Hz.
        channels: audio channels that it takes; None takes any number.

    The concatenation of what `push` and `finish` return is as long as what was pushed.
    """

    stems: tuple[str, ...]
    sample_rate: int
    channels: int | None

    def reset(self) -> None:
        """Forget the track."""

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        raise NotImplementedError

    def finish(self) -> Tensor:
        """Return the rest; `reset()` makes it ready for the next track."""
        raise NotImplementedError
