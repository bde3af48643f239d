"""Options that every command which separates a batch has: their types, texts and values."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

STDOUT = "-"


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


class Phase(str, Enum):
    """Where the phase of the stems comes from."""

    mixture = "mixture"
    pu = "pu"
    wiener = "wiener"


Inputs = Annotated[
    list[str],
    typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False),
]
Out = Annotated[
    str, typer.Option("--out", "-o", help="Folder to write into; - sends one stem to stdout.")
]
Name = Annotated[
    str,
    typer.Option(
        help="Names of the files below it; fields: {dir} {track} {stem} {ext} {model} {source_ext}."
    ),
]
Container = Annotated[Format, typer.Option("--format", "-f", help="Container.")]
Samples = Annotated[
    Bits | None, typer.Option(help="Samples of WAV (16, 24, 32f) and FLAC (16, 24).")
]
Bitrate = Annotated[
    int | None, typer.Option(help="Of MP3, Ogg, Opus and m4a, in kbit/s.", min=8, max=512)
]
Place = Annotated[Device, typer.Option("--device", "-d", help="Used or refused.")]
Start = Annotated[float, typer.Option(help="Begin here, in seconds.", min=0.0)]
Duration = Annotated[float | None, typer.Option(help="Separate so many seconds.", min=0.0)]
Downmix = Annotated[
    bool, typer.Option("--downmix", help="Mix more than two channels down to stereo.")
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Search folders with all below them.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Tracks at a time.", min=1)]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave what is up to date, do the rest.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line on stdout, logs on stderr.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Tell how well the spectra of the stems fit signals and the song."
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="UNMIX_OFFLINE", help="Never open a connection.")
]

DEFAULT_OUT = "separated"
DEFAULT_NAME = "{track}/{stem}.{ext}"
