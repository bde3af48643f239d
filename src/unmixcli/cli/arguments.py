"""The options of commands that go through tracks, as one value, and what follows from them."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unmixcli.batch.inputs import STDIN, InputTrack, find_inputs
from unmixcli.cli.options import STDOUT, Bits, Device, Format, Phase
from unmixcli.errors import UsageError


@dataclass(frozen=True)
class TrackArguments:
    """The options of every command that goes through tracks, by their names there."""

    inputs: list[str]
    out: str
    name: str
    device: Device
    start: float
    duration: float | None
    downmix: bool
    recursive: bool
    jobs: int
    skip_existing: bool
    overwrite: bool
    dry_run: bool
    json: bool
    quiet: bool
    verbose: bool
    offline: bool

    @property
    def to_stdout(self) -> bool:
        """Whether the one result goes to standard output."""
        return self.out == STDOUT

    @property
    def existing(self) -> str:
        """What happens where outputs are already."""
        if self.skip_existing:
            return "skip"
        return "overwrite" if self.overwrite else "refuse"

    def go_offline(self) -> None:
        """Keep everything that follows from opening a connection, if that is wanted."""
        if self.offline:
            os.environ["UNMIX_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"

    def check(self) -> None:
        """Refuse numbers out of range and options that contradict each other.

        Raises:
            UsageError: for the first of them.
        """
        if not math.isfinite(self.start):
            raise UsageError(f"--start {self.start}: must be a number of seconds")
        if self.duration is not None and not 0 < self.duration < math.inf:
            raise UsageError(f"--duration {self.duration}: must be a number of seconds above 0")
        if self.skip_existing and self.overwrite:
            raise UsageError("--skip-existing and --overwrite contradict each other; take one")
        if self.quiet and self.verbose:
            raise UsageError("--quiet and --verbose contradict each other; take one")
        if self.json and self.to_stdout:
            raise UsageError("--json and --out - would both write to stdout; take one")

    def tracks(self, folder: Path) -> list[InputTrack]:
        """What is to be done, whatever lies in the folder of the results left out.

        Raises:
            UsageError: for standard input twice, or several tracks for standard output.
        """
        if self.inputs.count(STDIN) > 1:
            raise UsageError("standard input (-) can be named once")
        tracks = find_inputs(self.inputs, recursive=self.recursive, exclude=folder)
        if self.to_stdout and len(tracks) != 1:
            raise UsageError(f"--out - takes one input, not {len(tracks)}")
        return tracks

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Where results go; what is for standard output is finished in a folder of its own."""
        if not self.to_stdout:
            yield Path(self.out)
            return
        with tempfile.TemporaryDirectory(prefix="unmix-") as folder:
            yield Path(folder)


@dataclass(frozen=True)
class BatchArguments(TrackArguments):
    """The options of every command that separates a batch."""

    stems: str | None
    phase: Phase | None
    format: Format
    bits: Bits | None
    bitrate: int | None

    @property
    def phase_name(self) -> Literal["mixture", "pu", "wiener"] | None:
        """The phase that was asked for."""
        return None if self.phase is None else self.phase.value
