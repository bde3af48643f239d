"""`unmix separate`."""

from __future__ import annotations

from typing import Annotated

import typer

from unmixcli.cli import options
from unmixcli.cli.loading import loading
from unmixcli.cli.options import Device as Device


def separate(
    inputs: options.Inputs,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A model's name or folder; the best installed one if none."
        ),
    ] = None,
    stems: Annotated[
        str | None,
        typer.Option(
            "--stems",
            "-s",
            help="Stems to write, as vocals,drums; all if none are named. Only what they need is "
            "computed (both networks of spleeter-2stems share in each mask).",
        ),
    ] = None,
    without: Annotated[
        str | None, typer.Option(help="Write the song without these stems, each as no_STEM.")
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(help="Write a sum of stems, as NAME=drums+bass+other; can be repeated."),
    ] = None,
    karaoke: Annotated[
        bool, typer.Option("--karaoke", "-k", help="Write the backing track and the vocals.")
    ] = False,
    pitch: Annotated[
        bool,
        typer.Option(
            "--pitch",
            help="Write the pitch of the vocals as well, vocals.f0.csv, in the same pass.",
        ),
    ] = False,
    out: options.Out = options.DEFAULT_OUT,
    name: options.Name = options.DEFAULT_NAME,
    format: options.Container = options.Format.wav,
    bits: options.Samples = None,
    bitrate: options.Bitrate = None,
    device: options.Place = options.Device.auto,
    phase: Annotated[
        options.Phase | None,
        typer.Option(
            help="Of the stems: the song's, unwrapped for all but the drums (pu), or by a Wiener "
            "filter over the channels; what the model says if none."
        ),
    ] = None,
    wiener: Annotated[
        int | None,
        typer.Option(help="Iterations of the Wiener filter; the model's own number if none."),
    ] = None,
    shifts: Annotated[
        int, typer.Option(help="Demucs models: the mean over so many shifts in time.", min=0)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the shifts.")] = 0,
    batch: Annotated[int | None, typer.Option(help="Chunks that run at once.")] = None,
    overlap: Annotated[
        float | None, typer.Option(help="Share of a chunk that is cross-faded, 0 to 0.5.")
    ] = None,
    start: options.Start = 0.0,
    duration: options.Duration = None,
    downmix: options.Downmix = False,
    recursive: options.Recursive = False,
    jobs: options.Jobs = 1,
    skip_existing: options.SkipExisting = False,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    offline: options.Offline = False,
) -> int:
    """Separate songs into stems: vocals and backing, drums, bass and what else a model has.

    Stems have the song's sample rate, length and channels, and a complete set sums to the song.

    [bold]unmix separate song.mp3 --karaoke[/bold]
    """
    given = dict(locals())
    with loading():
        from unmixcli.cli.separate_run import Arguments, run

    return run(Arguments(**given))
