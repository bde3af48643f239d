"""What a decoder offers to ``AudioReader``, whichever library it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unmixcli.audio.blocks import Block
from unmixcli.errors import TruncatedError


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about its sound before it is decoded.

    ``sample_rate`` in Hz; ``samples`` a channel, None where the file does not say it exactly.
    """

    sample_rate: int
    channels: int
    samples: int | None
    container: str
    codec: str


class Source(Protocol):
    """One audio stream of one file, decoded once."""

    @property
    def info(self) -> AudioInfo:
        """What the file says."""

    @property
    def channel_names(self) -> tuple[str, ...]:
        """FL, FR, FC, … in the order of the channels, where the file names them."""

    def decode(self, start: int) -> Iterator[Block]:
        """Blocks ``(channels, n)`` from sample ``start`` to the end.

        Raises ``TruncatedError`` after the last block where the file promises more.
        """

    def close(self) -> None:
        """Free what is open; a second call does nothing."""


def truncated(path: Path, *, got: int, promised: int | None, sample_rate: int) -> TruncatedError:
    """The error for a file that ends too early; ``got`` and ``promised`` in samples."""
    decoded = f"{got / sample_rate:.2f} s"
    if promised is None:
        return TruncatedError(f"{path} is cut off: it ends after {decoded} without an end mark.")
    whole = f"{promised / sample_rate:.2f} s"
    return TruncatedError(
        f"{path} is cut off or damaged: {decoded} of {whole} could be decoded; "
        "get a complete copy of it."
    )
