"""`unmix models`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from unmixcli.cli.loading import loading
from unmixcli.errors import UsageError

models_app = typer.Typer(
    name="models", help="The models: what there is, where it lies.", no_args_is_help=True
)


class Order(str, Enum):
    """Orders of the list."""

    sdr = "sdr"
    speed = "speed"
    size = "size"


Name = Annotated[str, typer.Argument(help="A model's name or folder.", show_default=False)]
Names = Annotated[list[str], typer.Argument(help="Names of models.", show_default=False)]
SomeNames = Annotated[list[str] | None, typer.Argument(help="Names of models.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")]
AcceptLicence = Annotated[
    bool,
    typer.Option("--accept-licence", help="Agree to terms that forbid commercial use, for good."),
]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="UNMIX_OFFLINE", help="Never open a connection.")
]


@models_app.command("list")
def list_(
    stem: Annotated[str | None, typer.Option(help="Only models that have this stem.")] = None,
    sort: Annotated[
        Order | None,
        typer.Option(help="Best score, fastest or smallest first; installed ones if not named."),
    ] = None,
    json: Json = False,
) -> None:
    """List the models that are known, and which are installed."""
    with loading():
        from unmixcli.cli.models_run import print_list

    print_list(stem, order=sort and sort.value, as_json=json)


@models_app.command()
def show(name: Name, json: Json = False) -> None:
    """Show the card of a model."""
    with loading():
        from unmixcli.cli.models_run import print_card

    print_card(name, as_json=json)


@models_app.command()
def path(name: Name) -> None:
    """Print the files of a model, one a line."""
    with loading():
        from unmixcli.cli.models_run import print_paths

    print_paths(name)


@models_app.command()
def pull(
    names: SomeNames = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every model that can be downloaded.")
    ] = False,
    accept_licence: AcceptLicence = False,
    offline: Offline = False,
) -> None:
    """Download the weights of models and prove them by their hashes."""
    if bool(names) == all_:
        raise UsageError("name the models to pull, or --all")
    with loading():
        from unmixcli.cli.models_run import pull_models

    pull_models(names or None, accept_licence=accept_licence, offline=offline)


@models_app.command()
def verify(names: SomeNames = None) -> int:
    """Hash the weights of models, of all installed ones if none is named; exit 1 for damage."""
    with loading():
        from unmixcli.cli.models_run import verify_models

    return verify_models(names or None)


@models_app.command()
def remove(names: Names) -> None:
    """Delete cached weights of models, and the copies of models that were added."""
    with loading():
        from unmixcli.cli.models_run import remove_models

    remove_models(names)


@models_app.command()
def use(
    name: Annotated[
        str | None, typer.Argument(help="A model's name or folder.", show_default=False)
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="Go back to the best-scored installed model.")
    ] = False,
) -> None:
    """Choose the model that runs when none is named."""
    if (name is None) != none:
        raise UsageError("name one model to use, or --none")
    with loading():
        from unmixcli.cli.models_run import use_model

    use_model(name)


@models_app.command()
def add(
    what: Annotated[
        str,
        typer.Argument(
            help="A folder with a model.toml, a checkpoint, or hf:OWNER/REPO[@REVISION].",
            show_default=False,
        ),
    ],
    accept_licence: AcceptLicence = False,
    offline: Offline = False,
) -> None:
    """Add a model: copied to where models are found by name."""
    with loading():
        from unmixcli.cli.models_run import add_model

    add_model(what, accept_licence=accept_licence, offline=offline)


@models_app.command()
def convert(
    file: Annotated[str, typer.Argument(help="A checkpoint of Demucs, .th.", show_default=False)],
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code that such a file may hold.")
    ] = False,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="The file to write.", show_default=False)
    ] = None,
) -> None:
    """Write a pickled checkpoint as safetensors.

    Without --out a checkpoint that a card knows is added as that model, any other is written
    beside itself.
    """
    with loading():
        from unmixcli.cli.models_run import convert_checkpoint

    convert_checkpoint(file, trust=trust, out=out)


@models_app.command()
def export(
    name: Name,
    onnx: Annotated[str, typer.Option("--onnx", help="The file to write.", show_default=False)],
) -> None:
    """Write a model's network for ONNX Runtime, proven to compute the same."""
    with loading():
        from unmixcli.cli.models_run import export_model

    export_model(name, onnx=onnx)
