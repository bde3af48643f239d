"""What `unmix separate` does with its options."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unmixcli.audio.formats import OutputFormat, output_format
from unmixcli.batch.events import Summary
from unmixcli.batch.plan import TrackPlan, plan_tracks
from unmixcli.batch.runner import Ready, RunSettings, run_batch
from unmixcli.cli.arguments import BatchArguments
from unmixcli.cli.display import Display, open_display
from unmixcli.errors import UsageError
from unmixcli.models.catalogue import Choice
from unmixcli.separation.device import resolve_device
from unmixcli.separation.session import check_options, open_session, select_model
from unmixcli.separation.stems import OutputPlan, Request, parse_mix
from unmixcli.separation.waveform import WaveformOptions


@dataclass(frozen=True)
class Arguments(BatchArguments):
    """The options of the command."""

    model: str | None
    without: str | None
    mix: list[str] | None
    karaoke: bool
    wiener: int | None
    shifts: int
    seed: int
    batch: int | None
    overlap: float | None


@dataclass(frozen=True)
class Work:
    """What a batch is separated by.

    Attributes:
        choice: the model.
        plan: the outputs.
        check: refuses options that do not fit it, without loading anything.
        open: makes it ready.
        after: is given the tracks and what became of them, if anything follows.
        kind: as of `plan_tracks`.
    """

    choice: Choice
    plan: OutputPlan
    check: Callable[[], object]
    open: Callable[[], Ready]
    after: Callable[[Sequence[TrackPlan], Summary], None] | None = None
    kind: str = ""


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code."""
    arguments.go_offline()
    choice, plan = select_model(arguments.model, _request(arguments))
    options = WaveformOptions(
        batch=arguments.batch,
        overlap=arguments.overlap,
        wiener_iterations=arguments.wiener,
        shifts=arguments.shifts,
        seed=arguments.seed,
        phase=arguments.phase_name,
    )

    def check() -> None:
        check_options(options, choice.model)
        resolve_device(arguments.device.value, card=choice.model.card)

    def ready() -> Ready:
        session = open_session(choice, plan, device=arguments.device.value, options=options)
        return replace(session, measured=arguments.verbose)

    return run_work(arguments, Work(choice, plan, check, ready))


def run_work(arguments: BatchArguments, work: Work) -> int:
    """Separate the batch and return the exit code."""
    _check(arguments, work.plan)
    written = output_format(
        arguments.format.value,
        bits=arguments.bits and arguments.bits.value,
        bitrate_kbps=arguments.bitrate,
    )
    with arguments.folder() as folder:
        plans = _plans(arguments, folder, work, written)
        with open_display(
            json=arguments.json, quiet=arguments.quiet, to_stderr=arguments.to_stdout
        ) as display:
            if arguments.dry_run:
                work.check()
                return display.dry_run(work.choice, work.plan, plans)
            session = work.open()
            display.chosen(work.choice, work.plan, session.device.type)
            display.begin(len(plans))
            settings = RunSettings(
                session,
                written,
                start_s=arguments.start,
                duration_s=arguments.duration,
                downmix=arguments.downmix,
                existing=arguments.existing,
            )
            summary = _separate(arguments, plans, settings, display)
            if work.after is not None:
                work.after(plans, summary)
            return summary.exit_code


def _separate(
    arguments: BatchArguments, plans: list[TrackPlan], settings: RunSettings, display: Display
) -> Summary:
    summary = run_batch(
        plans, settings, listener=display, jobs=arguments.jobs, stdin=sys.stdin.buffer
    )
    stem = next(iter(plans[0].outputs.values()))
    # What could be decoded of a file that is cut off goes out too; the exit code tells.
    if arguments.to_stdout and stem.is_file():
        with stem.open("rb") as finished:
            shutil.copyfileobj(finished, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    display.summary(summary)
    return summary


def _request(arguments: Arguments) -> Request:
    return Request(
        stems=named(arguments.stems, "--stems"),
        without=named(arguments.without, "--without"),
        mixes=tuple(parse_mix(text) for text in arguments.mix or ()),
        karaoke=arguments.karaoke,
    )


def named(text: str | None, option: str) -> tuple[str, ...]:
    """The stems that an option names.

    Raises:
        UsageError: for an empty name.
    """
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{option} {text!r} must look like {option} vocals,drums")
    return names


def _check(arguments: BatchArguments, plan: OutputPlan) -> None:
    arguments.check()
    if arguments.to_stdout and len(plan.outputs) != 1:
        raise UsageError(
            f"--out - takes one stem, not {', '.join(plan.outputs)}; name it by --stems"
        )


def _plans(
    arguments: BatchArguments, folder: Path, work: Work, written: OutputFormat
) -> list[TrackPlan]:
    return plan_tracks(
        arguments.tracks(folder),
        outputs=work.plan.outputs,
        folder=folder,
        template=arguments.name,
        extension=written.extension,
        model=work.choice.model.name,
        kind=work.kind,
    )
