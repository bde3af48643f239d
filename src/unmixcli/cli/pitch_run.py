"""What `unmix pitch` does with its options."""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from unmixcli.batch.events import Event, Noticed, Summary
from unmixcli.batch.inputs import STDIN, find_inputs
from unmixcli.batch.plan import TrackPlan, plan_tracks
from unmixcli.cli.display import Display, open_display
from unmixcli.cli.options import STDOUT, Device
from unmixcli.cli.pitch_batch import PitchBatch, PitchSettings
from unmixcli.errors import UsageError
from unmixcli.models.catalogue import Choice
from unmixcli.pitch.results import F0_CSV, Wanted, file_names
from unmixcli.pitch.session import (
    PitchChoice,
    PitchOptions,
    check_device,
    open_pitch,
    select_pitch,
)
from unmixcli.separation.stems import OutputPlan


@dataclass(frozen=True)
class Arguments:
    """The options of the command, by their names there."""

    inputs: list[str]
    model: str | None
    stem: Enum | None
    separator: str | None
    polyphonic: bool
    threshold: float | None
    viterbi: bool
    step_ms: float
    fmin: float | None
    fmax: float | None
    stems: bool
    midi: bool
    plot: bool
    salience: bool
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
        """Whether the CSV goes to standard output."""
        return self.out == STDOUT

    @property
    def existing(self) -> str:
        """What happens where outputs are already."""
        if self.skip_existing:
            return "skip"
        return "overwrite" if self.overwrite else "refuse"


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code."""
    if arguments.offline:
        os.environ["UNMIX_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"
    _check(arguments)
    choice = select_pitch(
        arguments.model, options=_options(arguments), separator=arguments.separator
    )
    wanted = Wanted(arguments.midi, arguments.plot, arguments.salience, arguments.stems)
    names = file_names(choice, wanted)
    if arguments.to_stdout and names != (F0_CSV,):
        raise UsageError(f"--out - takes the CSV alone, not {', '.join(names[1:])}; name a folder")
    with _out_folder(arguments) as folder, open_display(
        json=arguments.json, quiet=arguments.quiet, to_stderr=arguments.to_stdout
    ) as display:  # fmt: skip
        plans = _plans(arguments, folder, names, model=choice.model.name)
        outputs = OutputPlan(names, (), ())
        if arguments.dry_run:
            check_device(choice, arguments.device.value)
            return display.dry_run(Choice(choice.model), outputs, plans)
        return _run(arguments, choice, plans, display)


def _run(
    arguments: Arguments, choice: PitchChoice, plans: list[TrackPlan], display: Display
) -> int:
    session = open_pitch(choice, device=arguments.device.value)
    names = tuple(plans[0].outputs)
    display.chosen(Choice(choice.model), OutputPlan(names, (), ()), session.device.type)
    if choice.notice:
        display(Noticed(choice.notice))
    display.begin(len(plans))
    settings = PitchSettings(
        session,
        start_s=arguments.start,
        duration_s=arguments.duration,
        downmix=arguments.downmix,
        existing=arguments.existing,
        verbose=arguments.verbose,
    )
    batch = PitchBatch(settings, listener=display, total=len(plans), stdin=sys.stdin.buffer)
    summary = batch.run(plans, jobs=arguments.jobs)
    _summarise(display, summary, batch.unvoiced)
    if arguments.to_stdout and plans[0].outputs[F0_CSV].is_file():
        with plans[0].outputs[F0_CSV].open("rb") as finished:
            shutil.copyfileobj(finished, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return summary.exit_code


def _summarise(display: Display, summary: Summary, unvoiced: Sequence[str]) -> None:
    display.summary(summary)
    note: Event = Noticed(f"no pitch was found, every frame is unvoiced: {', '.join(unvoiced)}")
    if unvoiced:
        display(note)


def _options(arguments: Arguments) -> PitchOptions:
    return PitchOptions(
        threshold=arguments.threshold,
        viterbi=arguments.viterbi,
        polyphonic=arguments.polyphonic,
        step_ms=arguments.step_ms,
        f_min_hz=arguments.fmin,
        f_max_hz=arguments.fmax,
        stem=None if arguments.stem is None else arguments.stem.value,
    )


def _check(arguments: Arguments) -> None:
    if not math.isfinite(arguments.start):
        raise UsageError(f"--start {arguments.start}: must be a number of seconds")
    if arguments.duration is not None and not 0 < arguments.duration < math.inf:
        raise UsageError(f"--duration {arguments.duration}: must be a number of seconds above 0")
    if arguments.skip_existing and arguments.overwrite:
        raise UsageError("--skip-existing and --overwrite contradict each other; take one")
    if arguments.quiet and arguments.verbose:
        raise UsageError("--quiet and --verbose contradict each other; take one")
    if arguments.json and arguments.to_stdout:
        raise UsageError("--json and --out - would both write to stdout; take one")
    if arguments.inputs.count(STDIN) > 1:
        raise UsageError("standard input (-) can be named once")


@contextmanager
def _out_folder(arguments: Arguments) -> Iterator[Path]:
    if not arguments.to_stdout:
        yield Path(arguments.out)
        return
    with tempfile.TemporaryDirectory(prefix="unmix-") as folder:
        yield Path(folder)


def _plans(
    arguments: Arguments, folder: Path, names: tuple[str, ...], *, model: str
) -> list[TrackPlan]:
    tracks = find_inputs(arguments.inputs, recursive=arguments.recursive, exclude=folder)
    if arguments.to_stdout and len(tracks) != 1:
        raise UsageError(f"--out - takes one input, not {len(tracks)}")
    return plan_tracks(
        tracks,
        outputs=names,
        folder=folder,
        # The files' names bring their extensions.
        template=arguments.name.replace(".{ext}", ""),
        extension="",
        model=model,
        kind="pitch",
    )
