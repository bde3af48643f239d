"""What every batch does: each track by itself, a failure of one is no failure of the others."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from unmixcli.audio.read import AudioReader, open_audio, spool_stdin
from unmixcli.audio.write import StemReport
from unmixcli.batch.events import Event, Failed, Listener, StemWritten, Summary
from unmixcli.batch.manifest import OutputRecord, written_beside
from unmixcli.batch.plan import TrackPlan
from unmixcli.errors import InputError, ResourceError, UnmixError, debugging
from unmixcli.models.catalogue import Model
from unmixcli.models.weights import sha256
from unmixcli.pool import run_all


class Cancelled(Exception):  # noqa: N818 - no error: somebody asked for it
    """The run was told to stop."""


class Reading(Protocol):
    """How inputs are read, and what happens where outputs are already."""

    @property
    def start_s(self) -> float:
        """Where each track begins."""

    @property
    def duration_s(self) -> float | None:
        """How much of each; None is all."""

    @property
    def downmix(self) -> bool:
        """Whether more than two channels are mixed down."""

    @property
    def existing(self) -> str:
        """What happens where outputs are: "refuse", "skip" what is done, "overwrite"."""


class TrackBatch(ABC):
    """Tracks in, files and events out; what is done with one of them is the subclass's.

    Args:
        reading: how inputs are read.
        listener: is told what happens, by one thread at a time.
        total: how many tracks there are.
        stdin: what an input without a path is read from.
    """

    def __init__(
        self, reading: Reading, *, listener: Listener, total: int, stdin: BinaryIO | None
    ) -> None:
        self._reading = reading
        self._listener = listener
        self._total = total
        self._stdin = stdin
        self._summary = Summary()
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def run(self, plans: Sequence[TrackPlan], *, jobs: int) -> Summary:
        """Do every track; the ones that fail are reported and the rest goes on.

        A KeyboardInterrupt stops all of it, leaves finished tracks and no partial file.
        """
        # A thread that waits for standard input could not be stopped.
        alone = [item for item in enumerate(plans) if jobs == 1 or item[1].track.path is None]
        for item in alone:
            self._track(*item)
        others = [item for item in enumerate(plans) if item not in alone]
        run_all(lambda item: self._track(*item), others, jobs=jobs, stop=self._cancelled.set)
        return self._summary

    @abstractmethod
    def _one(self, index: int, plan: TrackPlan, source: Path) -> None:
        """Do one track, whose input is the file `source`."""

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._summary.count(event)
            self._listener(event)

    def _tell_files(self, index: int, files: Mapping[str, StemReport]) -> None:
        for name, file in files.items():
            self._tell(StemWritten(index, name, file.path, file.samples, file.peak, file.silent))

    def _track(self, index: int, plan: TrackPlan) -> None:
        """Do one track, or tell why not."""
        label = plan.track.label
        try:
            if plan.track.problem:
                raise InputError(plan.track.problem)
            with self._source(plan) as source:
                self._one(index, plan, source)
        except Cancelled:
            return
        except UnmixError as error:
            self._tell(Failed(index, label, str(error)))
        except MemoryError:
            self._tell(Failed(index, label, f"{label}: out of memory"))
        except Exception as error:
            if debugging():
                traceback.print_exc()
            kind = type(error).__name__
            self._tell(Failed(index, label, f"{label}: internal error ({kind}: {error})"))

    @contextmanager
    def _source(self, plan: TrackPlan) -> Iterator[Path]:
        if plan.track.path is not None:
            yield plan.track.path
            return
        if self._stdin is None:
            raise InputError("stdin: is not connected")
        with tempfile.TemporaryDirectory(prefix="unmix-") as folder:
            spooled = spool_stdin(self._stdin, Path(folder))
            try:
                yield spooled
            except UnmixError as error:
                raise type(error)(str(error).replace(str(spooled), "stdin")) from error

    def _open(self, source: Path) -> AudioReader:
        return open_audio(
            source,
            start_s=self._reading.start_s,
            duration_s=self._reading.duration_s,
            downmix=self._reading.downmix,
        )

    def _check_existing(self, plan: TrackPlan) -> None:
        if self._reading.existing == "overwrite":
            return
        resumed = self._reading.existing == "skip"
        ours = written_beside(plan.manifest.parent) if resumed else set()
        hint = "was not written by unmix; add --overwrite to replace it"
        if not resumed:
            hint = "is there already; add --overwrite, or --skip-existing to keep what is done"
        for path in plan.outputs.values():
            if path.exists() and str(path.relative_to(plan.manifest.parent)) not in ours:
                raise ResourceError(f"{path}: {hint}")

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled


def input_digest(source: Path) -> str:
    """The sha256 of an input.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return sha256(source)
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from error


def output_records(files: Mapping[str, StemReport], *, folder: Path) -> dict[str, OutputRecord]:
    """Files by name as the manifest in a folder holds them."""
    return {
        name: OutputRecord(
            file=str(file.path.relative_to(folder)),
            bytes=file.path.stat().st_size,
            samples=file.samples,
            peak=file.peak,
            silent=file.silent,
        )
        for name, file in files.items()
    }


def model_fingerprint(model: Model) -> str:
    """A hash of the card, which holds the hashes of the weights."""
    return hashlib.sha256(model.card.model_dump_json().encode()).hexdigest()
