"""`unmix separate`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from unmixcli.cli.loading import loading


class Format(str, Enum):
    """Containers that can be written."""

    wav = "wav"
    flac = "flac"
    mp3 = "mp3"
    ogg = "ogg"
    opus = "opus"
    m4a = "m4a"


class Bits(str, Enum):
    """Sample formats."""

    int16 = "16"
    int24 = "24"
    float32 = "32f"


class Device(str, Enum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


def separate(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False),
    ],
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
    """Separate songs into stems: vocals and backing, drums, bass and what else a model has.

    Stems have the song's sample rate, length and channels, and a complete set sums to the song.

    [bold]unmix separate song.mp3 --karaoke[/bold]
    """
    given = dict(locals())
    with loading():
        from unmixcli.cli.separate_run import Arguments, run

    return run(Arguments(**given))
