"""What `unmix hpss` does with its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from unmixcli.batch.events import Summary
from unmixcli.batch.manifest import MANIFEST_SUFFIX
from unmixcli.batch.plan import TrackPlan
from unmixcli.batch.runner import Ready
from unmixcli.cli.arguments import BatchArguments
from unmixcli.cli.separate_run import Work, named, run_work
from unmixcli.errors import UsageError
from unmixcli.hpss.session import HPSSOptions, open_hpss, select_method
from unmixcli.hpss.spectrograms import check_plotting, plot_spectrograms
from unmixcli.separation.device import resolve_device

KIND = "hpss"
PLOT_SUFFIX = ".spectrograms.png"


@dataclass(frozen=True)
class Arguments(BatchArguments):
    """The options of the command."""

    method: str
    margin: float | None
    residual: bool
    setting: Enum | None
    plot: bool


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code."""
    arguments.go_offline()
    options = HPSSOptions(
        phase=arguments.phase_name,
        margin=arguments.margin,
        setting=None if arguments.setting is None else int(arguments.setting.value),
        residual=arguments.residual,
    )
    stems = named(arguments.stems, "--stems")
    choice, plan = select_method(arguments.method, options=options, stems=stems)
    _check_plot(arguments)
    device: str = arguments.device.value

    def check() -> None:
        resolve_device(device, card=choice.model.card)

    def ready() -> Ready:
        session = open_hpss(choice, plan, options=options, device=device)
        return replace(session, measured=arguments.verbose)

    # Some of the stems do not sum to the mix.
    plot = partial(_plot, total="sum" if stems else "mix") if arguments.plot else None
    work = Work(choice, plan, check, ready, plot, kind=KIND)
    return run_work(arguments, work)


def _check_plot(arguments: Arguments) -> None:
    if arguments.plot and arguments.to_stdout:
        raise UsageError("--plot and --out -: there is no folder for the picture; take one")
    if arguments.plot:
        check_plotting()


def _plot(plans: Sequence[TrackPlan], summary: Summary, *, total: str) -> None:
    for plan in plans:
        if plan.track.label not in summary.failures:
            base = plan.manifest.name.removesuffix(f".{KIND}{MANIFEST_SUFFIX}")
            target = plan.manifest.with_name(base + PLOT_SUFFIX)
            plot_spectrograms(plan.outputs, target, total=total)
