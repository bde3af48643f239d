"""`unmix hpss`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from unmixcli.cli.loading import loading
from unmixcli.cli.separate import Bits, Device, Format


class Phase(str, Enum):
    """Where the phase of the stems comes from."""

    mixture = "mixture"
    pu = "pu"
    wiener = "wiener"


class Setting(str, Enum):
    """Transforms of Drossos et al."""

    one = "1"
    two = "2"


def hpss(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False),
    ],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            help="median, hpr, kam, kam-published, or a model that has harmonic and percussive.",
        ),
    ] = "median",
    phase: Annotated[
        Phase | None,
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
            "none is given, median's that of librosa."
        ),
    ] = None,
    stems: Annotated[
        str | None,
        typer.Option("--stems", "-s", help="Stems to write, as harmonic; all if none are named."),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the spectrograms beside the stems, as PNG.")
    ] = False,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder to write into; - sends one stem to stdout.")
    ] = "separated",
    name: Annotated[
        str,
        typer.Option(
            help="Names of the files below it; fields: {dir} {track} {stem} {ext} {model} "
            "{source_ext}."
        ),
    ] = "{track}/{stem}.{ext}",
    format: Annotated[Format, typer.Option("--format", "-f", help="Container.")] = Format.wav,
    bits: Annotated[
        Bits | None, typer.Option(help="Samples of WAV (16, 24, 32f) and FLAC (16, 24).")
    ] = None,
    bitrate: Annotated[
        int | None, typer.Option(help="Of MP3, Ogg, Opus and m4a, in kbit/s.", min=8, max=512)
    ] = None,
    device: Annotated[
        Device, typer.Option("--device", "-d", help="Used or refused.")
    ] = Device.auto,
    start: Annotated[float, typer.Option(help="Begin here, in seconds.", min=0.0)] = 0.0,
    duration: Annotated[
        float | None, typer.Option(help="Separate so many seconds.", min=0.0)
    ] = None,
    downmix: Annotated[
        bool, typer.Option("--downmix", help="Mix more than two channels down to stereo.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders with all below them.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Tracks at a time.", min=1)] = 1,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Leave what is up to date, do the rest."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line on stdout, logs on stderr.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", envvar="UNMIX_OFFLINE", help="Never open a connection.")
    ] = False,
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
