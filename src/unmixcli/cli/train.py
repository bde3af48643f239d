"""`unmix train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmixcli.cli.loading import loading
from unmixcli.cli.separate import Device


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A recipe: a TOML file, or a name such as unet-2017.")
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Train on these folders instead of the recipe's; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the training; training/NAME if none."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Take two steps, say what would run; keep packs alone."),
    ] = False,
    device: Annotated[
        Device, typer.Option("--device", "-d", help="Used or refused.")
    ] = Device.auto,
    devices: Annotated[
        int, typer.Option(help="How many of them share each step, with a batch each.", min=1)
    ] = 1,
    max_minutes: Annotated[
        float | None, typer.Option(help="Save and stop after so long.", min=0.0)
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the recipe, say excerpts.batch=4; repeatable."),
    ] = None,
) -> int:
    """Train a model by a recipe; Ctrl-C saves, --resume goes on to the bit.

    The trained model lies in OUT/model: unmix separate song.wav --model OUT/model

    [bold]unmix train recipe.toml --data songs[/bold]
    """
    given = dict(locals())
    with loading():
        from unmixcli.cli.train_run import Arguments, run

    return run(Arguments(**given))
