"""`unmix data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmixcli.cli.loading import loading
from unmixcli.errors import ResourceError

data_app = typer.Typer(
    name="data", help="Make material to train and measure on.", no_args_is_help=True
)


@data_app.callback()
def data() -> None:
    """Make material to train and measure on."""


@data_app.command()
def render(
    source: Annotated[
        Path,
        typer.Option(help="Sounds: drums/, bass/, singing/; other/, scores/, impulses/, songs/."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the songs.")],
    songs: Annotated[int, typer.Option(help="How many.", min=1)] = 100,
    seconds: Annotated[float, typer.Option(help="The length of each, s.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same songs.")] = 0,
    instrumentals: Annotated[
        float,
        typer.Option(help="Share of songs that nobody sings: an instrument plays the tune."),
    ] = 0.0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Songs at a time.", min=1)] = 1,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="A folder of the source to leave out, as solfege-gpl always is; repeat."),
    ] = None,
    soundfont: Annotated[
        list[str] | None,
        typer.Option(
            help="A sound font to play (.sf2, .sf3) instead of Debian's; repeat; or none."
        ),
    ] = None,
) -> int:
    """Render songs with their stems from scores, samples and solo voices.

    Songs are kept that are there already; the same command goes on where it stopped.

    [bold]unmix data render --source sounds --out songs --songs 500 --jobs 8[/bold]
    """
    given = dict(locals())
    try:
        with loading():
            from unmixcli.cli.data_run import Arguments, run
    except ModuleNotFoundError as missing:
        raise ResourceError(
            f"unmix data render needs {missing.name}, which is missing: "
            "type pip install 'unmixcli[train]'"
        ) from missing

    return run(Arguments(**given))
