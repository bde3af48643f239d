"""What `unmix pitch` does with its options."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from unmixcli.batch.events import Noticed
from unmixcli.batch.plan import TrackPlan, plan_tracks
from unmixcli.cli.arguments import TrackArguments
from unmixcli.cli.display import Display, open_display
from unmixcli.cli.pitch_batch import PitchBatch, PitchSettings
from unmixcli.cli.pitch_notes import tell_unvoiced
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
class Arguments(TrackArguments):
    """The options of the command."""

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


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code."""
    arguments.go_offline()
    arguments.check()
    choice = select_pitch(
        arguments.model, options=_options(arguments), separator=arguments.separator
    )
    wanted = Wanted(arguments.midi, arguments.plot, arguments.salience, arguments.stems)
    names = file_names(choice, wanted)
    if arguments.to_stdout and names != (F0_CSV,):
        raise UsageError(f"--out - takes the CSV alone, not {', '.join(names[1:])}; name a folder")
    with arguments.folder() as folder, open_display(
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
    display.summary(summary)
    tell_unvoiced(display, plans, summary, name=F0_CSV)
    if arguments.to_stdout and plans[0].outputs[F0_CSV].is_file():
        with plans[0].outputs[F0_CSV].open("rb") as finished:
            shutil.copyfileobj(finished, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return summary.exit_code


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


def _plans(
    arguments: Arguments, folder: Path, names: tuple[str, ...], *, model: str
) -> list[TrackPlan]:
    return plan_tracks(
        arguments.tracks(folder),
        # The files' names bring their extensions.
        outputs=dict.fromkeys(names, ""),
        folder=folder,
        template=arguments.name.replace(".{ext}", ""),
        model=model,
        kind="pitch",
    )
