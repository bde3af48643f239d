"""What `unmix separate` does with its options."""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from unmixcli.audio.formats import OutputFormat, output_format
from unmixcli.batch.inputs import STDIN, find_inputs
from unmixcli.batch.plan import TrackPlan, plan_tracks
from unmixcli.batch.runner import RunSettings, run_batch
from unmixcli.cli.display import Display, open_display
from unmixcli.errors import UsageError
from unmixcli.separation.device import resolve_device
from unmixcli.separation.session import check_options, open_session, select_model
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import OutputPlan, Request, parse_mix

STDOUT = "-"


@dataclass(frozen=True)
class Arguments:
    """The options of the command, by their names there."""

    inputs: list[str]
    model: str | None
    stems: str | None
    without: str | None
    mix: list[str] | None
    karaoke: bool
    out: str
    name: str
    format: Enum
    bits: Enum | None
    bitrate: int | None
    device: Enum
    wiener: int | None
    batch: int | None
    overlap: float | None
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
    offline: bool

    @property
    def to_stdout(self) -> bool:
        """Whether the one stem goes to standard output."""
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
    request = _request(arguments)
    choice, plan = select_model(arguments.model, request)
    _check(arguments, plan)
    written = output_format(
        arguments.format.value,
        bits=arguments.bits and arguments.bits.value,
        bitrate_kbps=arguments.bitrate,
    )
    with _out_folder(arguments) as folder:
        plans = _plans(arguments, folder, plan, written, model=choice.model.name)
        with open_display(
            json=arguments.json, quiet=arguments.quiet, to_stderr=arguments.to_stdout
        ) as display:
            options = SpectralOptions(
                batch=arguments.batch,
                overlap=arguments.overlap,
                wiener_iterations=arguments.wiener,
            )
            if arguments.dry_run:
                check_options(options, choice.model)
                resolve_device(arguments.device.value, card=choice.model.card)
                return display.dry_run(choice, plan, plans)
            session = open_session(choice, plan, device=arguments.device.value, options=options)
            display.chosen(choice, plan, session.device.type)
            display.begin(len(plans))
            settings = RunSettings(
                session,
                written,
                start_s=arguments.start,
                duration_s=arguments.duration,
                downmix=arguments.downmix,
                existing=arguments.existing,
            )
            return _separate(arguments, plans, settings, display)


def _separate(
    arguments: Arguments, plans: list[TrackPlan], settings: RunSettings, display: Display
) -> int:
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
    return summary.exit_code


def _request(arguments: Arguments) -> Request:
    return Request(
        stems=_names(arguments.stems, "--stems"),
        without=_names(arguments.without, "--without"),
        mixes=tuple(parse_mix(text) for text in arguments.mix or ()),
        karaoke=arguments.karaoke,
    )


def _names(text: str | None, option: str) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{option} {text!r} must look like {option} vocals,drums")
    return names


def _check(arguments: Arguments, plan: OutputPlan) -> None:
    if not math.isfinite(arguments.start):
        raise UsageError(f"--start {arguments.start}: must be a number of seconds")
    if arguments.duration is not None and not 0 < arguments.duration < math.inf:
        raise UsageError(f"--duration {arguments.duration}: must be a number of seconds above 0")
    if arguments.skip_existing and arguments.overwrite:
        raise UsageError("--skip-existing and --overwrite contradict each other; take one")
    if arguments.json and arguments.to_stdout:
        raise UsageError("--json and --out - would both write to stdout; take one")
    if arguments.to_stdout and len(plan.outputs) != 1:
        raise UsageError(
            f"--out - takes one stem, not {', '.join(plan.outputs)}; name it by --stems"
        )


@contextmanager
def _out_folder(arguments: Arguments) -> Iterator[Path]:
    if not arguments.to_stdout:
        yield Path(arguments.out)
        return
    with tempfile.TemporaryDirectory(prefix="unmix-") as folder:
        yield Path(folder)


def _plans(
    arguments: Arguments, folder: Path, plan: OutputPlan, written: OutputFormat, *, model: str
) -> list[TrackPlan]:
    if arguments.inputs.count(STDIN) > 1:
        raise UsageError("standard input (-) can be named once")
    tracks = find_inputs(arguments.inputs, recursive=arguments.recursive, exclude=folder)
    if arguments.to_stdout and len(tracks) != 1:
        raise UsageError(f"--out - takes one input, not {len(tracks)}")
    return plan_tracks(
        tracks,
        outputs=plan.outputs,
        folder=folder,
        template=arguments.name,
        extension=written.extension,
        model=model,
    )
