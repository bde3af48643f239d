"""The batch of `unmix pitch`: each track by itself; one that fails leaves the others alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from unmixcli.audio.blocks import Block
from unmixcli.audio.read import AudioReader
from unmixcli.batch.events import (
    Finished,
    Listener,
    Noticed,
    Progress,
    Skipped,
    Started,
)
from unmixcli.batch.manifest import Fingerprint, Manifest, is_done, release
from unmixcli.batch.plan import TrackPlan
from unmixcli.batch.threads import ReadAhead
from unmixcli.batch.tracks import TrackBatch, input_digest, model_fingerprint, output_records
from unmixcli.errors import InputError, TruncatedError
from unmixcli.pitch.finder import PitchFinder
from unmixcli.pitch.results import PitchReport, PitchWriter, wants_stem
from unmixcli.pitch.session import PitchSession, TrackAudio, settings_of
from unmixcli.version import __version__


@dataclass(frozen=True)
class PitchSettings:
    """Everything that a run is told.

    Attributes:
        session: the method, ready.
        start_s: where each track begins.
        duration_s: how much of each; None is all.
        downmix: whether more than two channels are mixed down.
        existing: what happens where outputs are: "refuse", "skip" what is done, "overwrite".
        verbose: whether it is told how much of each is voiced.
    """

    session: PitchSession
    start_s: float = 0.0
    duration_s: float | None = None
    downmix: bool = False
    existing: str = "refuse"
    verbose: bool = False


class PitchBatch(TrackBatch):
    """Tracks in, files and events out."""

    def __init__(
        self, settings: PitchSettings, *, listener: Listener, total: int, stdin: BinaryIO
    ) -> None:
        super().__init__(settings, listener=listener, total=total, stdin=stdin)
        self._settings = settings
        self._model_sha256 = model_fingerprint(settings.session.choice.model)

    def _one(self, index: int, plan: TrackPlan, source: Path) -> None:
        started = time.perf_counter()
        fingerprint = self._fingerprint(source, plan)
        if self._settings.existing == "skip" and (done := is_done(plan.manifest, fingerprint)):
            self._tell(Skipped(index, plan.track.label, done.warning))
            return
        self._check_existing(plan)
        with self._open(source) as reader:
            report, seconds, warning = self._found(index, plan, source, reader)
        warning = warning.replace(str(source), plan.track.label)
        _manifest(plan, fingerprint, report, warning, reader.info.sample_rate).write(plan.manifest)
        self._tell_files(index, report.files)
        if self._settings.verbose:
            self._tell(Noticed(_in_words(report), plan.track.label))
        elapsed, rate = time.perf_counter() - started, reader.info.sample_rate
        label = plan.track.label
        self._tell(Finished(index, label, elapsed, seconds, sample_rate=rate, warning=warning))

    def _fingerprint(self, source: Path, plan: TrackPlan) -> Fingerprint:
        settings, choice = self._settings, self._settings.session.choice
        return Fingerprint(
            input_sha256=input_digest(source),
            model=choice.model.name,
            model_sha256=self._model_sha256,
            settings={
                **settings_of(choice),
                "outputs": list(plan.outputs),
                "start_s": settings.start_s,
                "duration_s": settings.duration_s,
                "downmix": settings.downmix,
                "device": settings.session.device.type,
            },
            version=__version__,
        )

    def _again(self, source: Path) -> Iterator[Block]:
        """The track once more, for a first look; what is wrong with it is told by the second."""
        with self._open(source) as reader, suppress(TruncatedError):
            for block in reader.blocks():
                self._check_cancelled()
                yield block

    def _found(
        self, index: int, plan: TrackPlan, source: Path, reader: AudioReader
    ) -> tuple[PitchReport, float, str]:
        """The files written, the seconds of the track, and why it is not whole."""
        rate, channels, session = reader.info.sample_rate, reader.channels, self._settings.session
        duration = None if reader.samples is None else reader.samples / rate
        self._tell(Started(index, self._total, plan.track.label, duration, rate, channels))
        track = TrackAudio(rate, channels, lambda: self._again(source))
        with (
            session.finder(
                track,
                stem=wants_stem(tuple(plan.outputs)),
                notice=lambda message: self._tell(Noticed(message, plan.track.label)),
            ) as finder,
            PitchWriter(
                plan.outputs,
                finder=finder,
                step_ms=session.choice.options.step_ms,
                sample_rate=rate,
                channels=channels,
            ) as writer,
        ):
            seconds, warning = self._stream(index, finder, reader, writer)
            report = writer.finish()
            release(plan.manifest, plan.outputs.values())
        return report, seconds, warning

    def _stream(
        self, index: int, finder: PitchFinder, reader: AudioReader, writer: PitchWriter
    ) -> tuple[float, str]:
        rate, position, warning = reader.info.sample_rate, 0, ""
        duration = None if reader.samples is None else reader.samples / rate
        with ReadAhead(reader.blocks()) as blocks:
            try:
                for block in blocks:
                    self._check_cancelled()
                    writer.write(finder.push(block))
                    position += block.shape[-1]
                    self._tell(Progress(index, position / rate, duration))
            except TruncatedError as error:
                warning = str(error)
        if not position:
            raise InputError("no sample of it could be decoded")
        writer.write(finder.finish())
        return position / rate, warning


def _manifest(
    plan: TrackPlan, fingerprint: Fingerprint, report: PitchReport, warning: str, rate: int
) -> Manifest:
    """What is beside the files."""
    return Manifest(
        input=plan.track.label,
        fingerprint=fingerprint,
        sample_rate=rate,
        gain_db=0.0,
        outputs=output_records(report.files, folder=plan.manifest.parent),
        warning=warning,
    )


def _in_words(report: PitchReport) -> str:
    share = f"{report.voiced} of {report.steps} frames are voiced"
    if not report.voiced:
        return share
    return f"{share}, from {report.lowest_hz:.1f} to {report.highest_hz:.1f} Hz"
