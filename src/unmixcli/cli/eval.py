"""`unmix eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmixcli.cli.loading import loading
from unmixcli.cli.separate import Device

eval_app = typer.Typer(
    name="eval",
    help="Score a model, or stems of any tool, on a data set; compare runs.",
    invoke_without_command=True,
)


@eval_app.callback()
def evaluate(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A model's name or folder.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="A data set's folder, or a manifest of tracks.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="The data set's kind; its layout tells if none is named.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Tracks of this split, or all; test where the data set has it."),
    ] = None,
    estimates: Annotated[
        Path | None, typer.Option(help="Score files instead of a model: DIR/TRACK/STEM.ext.")
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="The true stems of --estimates: DIR/TRACK/STEM.ext, or as --data."),
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            help="Of bsseval, bsseval-v3, nsdr, sisdr, lsd, melody (of the vocals), activity."
        ),
    ] = "bsseval,bsseval-v3,nsdr,sisdr",
    oracle: Annotated[
        str | None,
        typer.Option(
            help="Bounds to score beside it, of mixture, ibm, irm (irm1), irm2, cirm, mwf."
        ),
    ] = None,
    window: Annotated[float, typer.Option(help="Length of a frame of BSS Eval v4, s.")] = 1.0,
    hop: Annotated[float, typer.Option(help="From one frame to the next, s.")] = 1.0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Tracks at a time.", min=1)] = 1,
    device: Annotated[
        Device, typer.Option("--device", "-d", help="Used or refused.")
    ] = Device.auto,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder; evaluation/DATASET/MODEL if none."),
    ] = None,
    audio: Annotated[
        bool, typer.Option("--audio/--no-audio", help="Keep stems as MP3, for the report's page.")
    ] = True,
) -> int:
    """Score a model, or stems of any tool, on a data set.

    Scores are written as soon as a track is done; the same command goes on where it stopped.

    [bold]unmix eval --model spleeter-2stems --data musdb18hq --oracle irm,mixture[/bold]
    """
    given = dict(locals())
    del given["context"]
    if context.invoked_subcommand is not None:
        return 0
    with loading():
        from unmixcli.cli.eval_run import Arguments, run

    return run(Arguments(**given))


@eval_app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, two or more.")],
) -> int:
    """Compare runs track by track: mean and median difference, sign test."""
    with loading():
        from unmixcli.cli.eval_run import run_comparison

    return run_comparison(runs)
