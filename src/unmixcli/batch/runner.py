"""The run: each track by itself, a failure of one is no failure of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch
from torch import Tensor

from unmixcli.audio.blocks import Block
from unmixcli.audio.formats import OutputFormat
from unmixcli.audio.read import AudioReader
from unmixcli.audio.tags import read_tags
from unmixcli.audio.write import StemReport, TrackReport, TrackWriter
from unmixcli.batch.events import (
    Finished,
    Listener,
    Noticed,
    Progress,
    Skipped,
    Started,
    Summary,
)
from unmixcli.batch.manifest import Fingerprint, Manifest, is_done, release
from unmixcli.batch.plan import TrackPlan
from unmixcli.batch.threads import ReadAhead, WriteBehind
from unmixcli.batch.tracks import TrackBatch, input_digest, model_fingerprint, output_records
from unmixcli.errors import InputError, TruncatedError
from unmixcli.models.catalogue import Model
from unmixcli.separation.engine import Engine
from unmixcli.separation.sparing import Notice
from unmixcli.separation.stems import OutputPlan
from unmixcli.version import __version__


class Ready(Protocol):
    """What separates: a `separation.session.Session`, or what stands for one."""

    @property
    def model(self) -> Model:
        """The card, which names it in manifests."""

    @property
    def plan(self) -> OutputPlan:
        """The outputs."""

    @property
    def options(self) -> Any:
        """A dataclass of what was chosen."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    def engine(self, *, sample_rate: int, channels: int, notice: Notice | None = None) -> Engine:
        """A separator for one track of this rate in Hz and 1 or 2 channels."""


class BesideTrack(Protocol):
    """What is found beside the stems of one track."""

    def write(self, stems: Mapping[str, Block]) -> None:
        """Take a block `(channels, samples)` of every output of the session."""

    def finish(self) -> StemReport:
        """Complete the file; it gets its name when the context ends well."""


class Beside(Protocol):
    """What is found in the outputs of a session while they are written: one more file a track."""

    @property
    def name(self) -> str:
        """Of the file, among the outputs of a plan."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes the file, for the manifest."""

    def track(self, path: Path, *, engine: Engine) -> AbstractContextManager[BesideTrack]:
        """What is found of one track, which the engine separates."""


@dataclass(frozen=True)
class RunSettings:
    """Everything that a run is told.

    Attributes:
        session: the method, ready for the outputs asked for; those that a plan has not are not
            written.
        format: of the files.
        start_s: where each track begins.
        duration_s: how much of each; None is all.
        downmix: whether more than two channels are mixed down.
        existing: what happens where outputs are: "refuse", "skip" what is done, "overwrite".
        seed: of the dither.
        beside: what is found in the outputs; None for nothing.
    """

    session: Ready
    format: OutputFormat
    start_s: float = 0.0
    duration_s: float | None = None
    downmix: bool = False
    existing: str = "refuse"
    seed: int = 0
    beside: Beside | None = None

    @property
    def fingerprint_settings(self) -> Mapping[str, Any]:
        """What changes a sample or a file, for the manifest."""
        plan = self.session.plan
        return {
            "outputs": {
                name: list(row) for name, row in zip(plan.outputs, plan.weights, strict=True)
            },
            "computed": list(plan.computed),
            "format": asdict(self.format),
            "options": asdict(self.session.options),
            "start_s": self.start_s,
            "duration_s": self.duration_s,
            "downmix": self.downmix,
            "device": self.session.device.type,
            "seed": self.seed,
        }


def run_batch(
    plans: Sequence[TrackPlan],
    settings: RunSettings,
    *,
    listener: Listener,
    jobs: int = 1,
    stdin: BinaryIO | None = None,
) -> Summary:
    """Separate every track; the ones that fail are reported and the rest goes on.

    A KeyboardInterrupt stops all of it, leaves finished tracks and no partial file.
    """
    run = _Separation(settings, listener=listener, total=len(plans), stdin=stdin)
    return run.run(plans, jobs=jobs)


class _Separation(TrackBatch):
    """Stems of every track."""

    def __init__(
        self, settings: RunSettings, *, listener: Listener, total: int, stdin: BinaryIO | None
    ) -> None:
        super().__init__(settings, listener=listener, total=total, stdin=stdin)
        self.settings = settings
        self._model_sha256 = model_fingerprint(settings.session.model)

    def _one(self, index: int, plan: TrackPlan, source: Path) -> None:
        started = time.perf_counter()
        fingerprint = self._fingerprint(source, plan)
        if self.settings.existing == "skip" and (done := is_done(plan.manifest, fingerprint)):
            self._tell(Skipped(index, plan.track.label, done.warning))
            return
        self._check_existing(plan)
        with self._open(source) as reader:
            report, warning = self._separate(index, plan, source, reader)
        self._write_manifest(plan, fingerprint, report, warning)
        self._tell_files(index, report.stems)
        seconds = max(stem.samples for stem in report.stems.values()) / report.sample_rate
        elapsed = time.perf_counter() - started
        self._tell(
            Finished(
                index,
                plan.track.label,
                elapsed,
                seconds,
                report.gain_db,
                report.sample_rate,
                warning,
            )
        )

    def _fingerprint(self, source: Path, plan: TrackPlan) -> Fingerprint:
        settings, beside = dict(self.settings.fingerprint_settings), self.settings.beside
        if beside is not None:
            # Of the session's outputs some may be heard and not written.
            settings |= {"files": list(plan.outputs), beside.name: beside.settings}
        return Fingerprint(
            input_sha256=input_digest(source),
            model=self.settings.session.model.name,
            model_sha256=self._model_sha256,
            settings=settings,
            version=__version__,
        )

    def _separate(
        self, index: int, plan: TrackPlan, source: Path, reader: AudioReader
    ) -> tuple[TrackReport, str]:
        info = reader.info
        rate, channels = info.sample_rate, reader.channels
        duration = None if reader.samples is None else reader.samples / rate
        self._tell(Started(index, self._total, plan.track.label, duration, rate, channels))
        engine = self.settings.session.engine(
            sample_rate=rate,
            channels=channels,
            notice=lambda message: self._tell(Noticed(message, plan.track.label)),
        )
        with self._writer(plan, source, engine) as writer, self._beside(plan, engine) as beside:

            def write(stems: Mapping[str, Block]) -> None:
                writer.write({name: stems[name] for name in stems if name in plan.outputs})
                if beside is not None:
                    beside.write(stems)

            warning = self._stream(index, engine, reader, write)
            more = self._finished(beside)
            release(plan.manifest, plan.outputs.values())
            report = writer.close()
        report = replace(report, stems={**report.stems, **more})
        return report, warning.replace(str(source), plan.track.label)

    def _writer(self, plan: TrackPlan, source: Path, engine: Engine) -> TrackWriter:
        return TrackWriter(
            {name: plan.outputs[name] for name in engine.stems if name in plan.outputs},
            sample_rate=engine.sample_rate,
            channels=engine.channels,
            format=self.settings.format,
            tags=read_tags(source),
            title=plan.track.name,
            seed=self.settings.seed,
        )

    def _beside(
        self, plan: TrackPlan, engine: Engine
    ) -> AbstractContextManager[BesideTrack | None]:
        beside = self.settings.beside
        if beside is None:
            return nullcontext()
        return beside.track(plan.outputs[beside.name], engine=engine)

    def _finished(self, beside: BesideTrack | None) -> Mapping[str, StemReport]:
        if beside is None or self.settings.beside is None:
            return {}
        return {self.settings.beside.name: beside.finish()}

    def _stream(
        self,
        index: int,
        engine: Engine,
        reader: AudioReader,
        write: Callable[[Mapping[str, Block]], None],
    ) -> str:
        """Send every block through the engine; return why the track is not whole, if it is not."""
        rate, position, warning = reader.info.sample_rate, 0, ""
        duration = None if reader.samples is None else reader.samples / rate
        with (
            ReadAhead(reader.blocks()) as blocks,
            WriteBehind[Tensor](lambda block: write(_named(engine, block))) as behind,
        ):
            try:
                for block in blocks:
                    self._check_cancelled()
                    behind.put(engine.push(torch.from_numpy(block)))
                    position += block.shape[-1]
                    self._tell(Progress(index, position / rate, duration))
            except TruncatedError as error:
                warning = str(error)
            behind.put(engine.finish())
        if not position:
            raise InputError("no sample of it could be decoded")
        return warning

    def _write_manifest(
        self, plan: TrackPlan, fingerprint: Fingerprint, report: TrackReport, warning: str
    ) -> None:
        Manifest(
            input=plan.track.label,
            fingerprint=fingerprint,
            sample_rate=report.sample_rate,
            gain_db=report.gain_db,
            outputs=output_records(report.stems, folder=plan.manifest.parent),
            warning=warning,
        ).write(plan.manifest)


def _named(engine: Engine, block: Tensor) -> dict[str, Block]:
    return {name: block[row].numpy() for row, name in enumerate(engine.stems)}
