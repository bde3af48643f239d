"""What `unmix separate` does with its options."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from unmixcli.audio.formats import OutputFormat, output_format
from unmixcli.batch.events import Noticed, Summary
from unmixcli.batch.plan import TrackPlan, plan_tracks
from unmixcli.batch.runner import Beside, Ready, RunSettings, run_batch
from unmixcli.cli.arguments import BatchArguments
from unmixcli.cli.display import Display, open_display
from unmixcli.cli.pitch_notes import tell_unvoiced
from unmixcli.errors import UsageError
from unmixcli.models.catalogue import Choice
from unmixcli.pitch.beside import EXTENSION, VOCALS_F0, open_vocal_pitch, select_vocal_pitch
from unmixcli.pitch.joint_session import check_joint, open_joint
from unmixcli.pitch.session import VOCALS, PitchChoice
from unmixcli.separation.device import resolve_device
from unmixcli.separation.session import check_options, open_session, select_model
from unmixcli.separation.stems import OutputPlan, Request, parse_mix, plan_outputs
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
    pitch: bool


@dataclass(frozen=True)
class Work:
    """What a batch is separated by.

    Attributes:
        choice: the model.
        plan: the outputs that are written.
        check: refuses options that do not fit it, without loading anything.
        open: makes it ready.
        kind: as of `plan_tracks`.
        pitch: what finds the pitch of the vocals beside, if that is wanted; what `open` gives
            then has the vocals among its outputs.
        picture: what is drawn of each track beside, if that is wanted; one of these two at most.
    """

    choice: Choice
    plan: OutputPlan
    check: Callable[[], object]
    open: Callable[[], Ready]
    kind: str = ""
    pitch: PitchChoice | None = None
    picture: Beside | None = None

    @property
    def more(self) -> dict[str, str]:
        """What is written beside the stems, and the extensions."""
        if self.picture is not None:
            return {self.picture.name: "png"}
        return {} if self.pitch is None else {VOCALS_F0: EXTENSION}

    @property
    def names(self) -> OutputPlan:
        """All that is written for a track."""
        return OutputPlan((*self.plan.outputs, *self.more), (), ())

    def beside(self) -> Beside | None:
        """Make ready what is found beside the stems."""
        return self.picture if self.pitch is None else open_vocal_pitch(self.pitch)


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code."""
    arguments.go_offline()
    choice, plan, heard = _chosen(arguments)
    pitch = select_vocal_pitch(choice.model) if arguments.pitch else None
    is_joint = pitch is not None and not pitch.is_tracker
    device: str = arguments.device.value
    options = WaveformOptions(
        batch=arguments.batch,
        overlap=arguments.overlap,
        wiener_iterations=arguments.wiener,
        shifts=arguments.shifts,
        seed=arguments.seed,
        phase=arguments.phase_name,
    )

    def check() -> None:
        (check_joint if is_joint else check_options)(options, choice.model)
        resolve_device(device, card=choice.model.card)

    def ready() -> Ready:
        if is_joint:
            return open_joint(choice.model, heard, device=device, options=options)
        return open_session(
            choice, heard, device=device, options=options, measured=arguments.verbose
        )

    return run_work(arguments, Work(choice, plan, check, ready, pitch=pitch))


def _chosen(arguments: Arguments) -> tuple[Choice, OutputPlan, OutputPlan]:
    """The model, the outputs that are written, and those with the vocals if they must be heard."""
    request = _request(arguments)
    if not arguments.pitch:
        choice, plan = select_model(arguments.model, request)
        return choice, plan, plan
    with_vocals = replace(request, stems=(*request.stems, VOCALS))
    try:
        choice, heard = select_model(arguments.model, with_vocals)
    except UsageError as error:
        raise UsageError(f"--pitch is that of the {VOCALS}: {error}") from None
    plan = plan_outputs(choice.model.stem_set, request, model=choice.model.name)
    return choice, plan, plan if VOCALS in plan.outputs else heard


def run_work(arguments: BatchArguments, work: Work) -> int:
    """Separate the batch and return the exit code."""
    _check(arguments, work)
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
                return display.dry_run(work.choice, work.names, plans)
            session = work.open()
            beside = work.beside()
            display.chosen(work.choice, work.names, session.device.type)
            if work.pitch is not None:
                display(Noticed(f"{work.pitch.model.name} finds the pitch of the {VOCALS}"))
            display.begin(len(plans))
            settings = RunSettings(
                session,
                written,
                start_s=arguments.start,
                duration_s=arguments.duration,
                downmix=arguments.downmix,
                existing=arguments.existing,
                beside=beside,
            )
            summary = _separate(arguments, plans, settings, display)
            if work.pitch is not None:
                tell_unvoiced(display, plans, summary, name=VOCALS_F0)
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


def _check(arguments: BatchArguments, work: Work) -> None:
    arguments.check()
    if arguments.to_stdout and work.pitch is not None:
        raise UsageError("--pitch and --out -: there is no folder for the CSV; name one")
    if VOCALS_F0 in work.plan.outputs and work.pitch is not None:
        raise UsageError(f"two different outputs are called {VOCALS_F0!r}; give one another name")
    if arguments.to_stdout and len(work.plan.outputs) != 1:
        raise UsageError(
            f"--out - takes one stem, not {', '.join(work.plan.outputs)}; name it by --stems"
        )


def _plans(
    arguments: BatchArguments, folder: Path, work: Work, written: OutputFormat
) -> list[TrackPlan]:
    return plan_tracks(
        arguments.tracks(folder),
        outputs={**dict.fromkeys(work.plan.outputs, written.extension), **work.more},
        folder=folder,
        template=arguments.name,
        model=work.choice.model.name,
        kind=work.kind,
    )
