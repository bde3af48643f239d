"""What `unmix hpss` does with its options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from unmixcli.batch.runner import Ready
from unmixcli.cli.arguments import BatchArguments
from unmixcli.cli.separate_run import Work, named, run_work
from unmixcli.errors import UsageError
from unmixcli.hpss.session import HPSSOptions, open_hpss, select_method
from unmixcli.hpss.spectrograms import Spectrograms
from unmixcli.separation.device import resolve_device

KIND = "hpss"


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
    picture = _picture(arguments, is_whole=not stems)
    device: str = arguments.device.value

    def check() -> None:
        resolve_device(device, card=choice.model.card)

    def ready() -> Ready:
        return open_hpss(choice, plan, options=options, device=device, measured=arguments.verbose)

    return run_work(arguments, Work(choice, plan, check, ready, kind=KIND, picture=picture))


def _picture(arguments: Arguments, *, is_whole: bool) -> Spectrograms | None:
    """What is drawn, if anything is; only a whole set of stems sums to the mix."""
    if not arguments.plot:
        return None
    if arguments.to_stdout:
        raise UsageError("--plot and --out -: there is no folder for the picture; take one")
    return Spectrograms("mix" if is_whole else "sum")
