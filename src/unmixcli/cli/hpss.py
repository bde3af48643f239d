"""`unmix hpss`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from unmixcli.cli import options
from unmixcli.cli.loading import loading


class Setting(str, Enum):
    """Transforms of Drossos et al."""

    one = "1"
    two = "2"


def hpss(
    inputs: options.Inputs,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            help="median, hpr, kam, kam-published, mad-twinnet, mdensenet, or another model that "
            "has harmonic and percussive.",
        ),
    ] = "median",
    phase: Annotated[
        options.Phase | None,
        typer.Option(
            help="That of the mix, unwrapped for sinusoids (pu), or by a Wiener filter over the "
            "channels; the mix's if none is given, or what a model's card says."
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="How many times a bin must be more harmonic than percussive, or the other way "
            "round: of median 1 if none is given, of hpr 2. Above 1 there is a residual."
        ),
    ] = None,
    residual: Annotated[
        bool,
        typer.Option(
            "--residual", help="Write what harmonic and percussive leave of the song as well."
        ),
    ] = False,
    setting: Annotated[
        Setting | None,
        typer.Option(
            help="Transform of median and kam: 1 has windows of 46 ms, 2 of 93 ms; kam's is 1 if "
            "none is given, median's that of librosa. Of mad-twinnet the model that has it, or 2."
        ),
    ] = None,
    stems: Annotated[
        str | None,
        typer.Option("--stems", "-s", help="Stems to write, as harmonic; all if none are named."),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the spectrograms as well, spectrograms.png.")
    ] = False,
    out: options.Out = options.DEFAULT_OUT,
    name: options.Name = options.DEFAULT_NAME,
    format: options.Container = options.Format.wav,
    bits: options.Samples = None,
    bitrate: options.Bitrate = None,
    device: options.Place = options.Device.auto,
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
    """Separate what is sustained from what is struck: harmonic and percussive.

    Needs no model and no download. Stems have the song's sample rate, length and channels, and
    a complete set sums to the song.

    [bold]unmix hpss song.mp3[/bold]
    """
    given = dict(locals())
    with loading():
        from unmixcli.cli.hpss_run import Arguments, run

    return run(Arguments(**given))
