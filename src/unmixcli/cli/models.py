"""`unmix models`."""

from __future__ import annotations

from typing import Annotated

import typer

from unmixcli.cli.loading import loading

models_app = typer.Typer(
    name="models", help="The models: what there is, where it lies.", no_args_is_help=True
)


@models_app.command("list")
def list_(
    stem: Annotated[str | None, typer.Option(help="Only models that have this stem.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the models that are known, and which are installed."""
    with loading():
        from unmixcli.cli.models_run import print_list

    print_list(stem, as_json=json)


@models_app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name or folder.")],
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show the card of a model."""
    with loading():
        from unmixcli.cli.models_run import print_card

    print_card(name, as_json=json)


@models_app.command()
def path(name: Annotated[str, typer.Argument(help="A model's name or folder.")]) -> None:
    """Print the files of a model, one a line."""
    with loading():
        from unmixcli.cli.models_run import print_paths

    print_paths(name)


@models_app.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Names of models.")],
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Agree to terms that forbid commercial use."),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", envvar="UNMIX_OFFLINE", help="Never open a connection.")
    ] = False,
) -> None:
    """Download the weights of models and prove them by their sha256."""
    with loading():
        from unmixcli.cli.models_run import pull_models

    pull_models(names, accept_licence=accept_licence, offline=offline)
