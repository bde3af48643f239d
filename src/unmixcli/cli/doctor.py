"""`unmix doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from unmixcli.cli.loading import loading


def doctor(
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> int:
    """Prove what works here: Python, torch, devices, codecs, cache, models; say what mends it."""
    with loading():
        from unmixcli.cli.doctor_run import run

    return run(as_json=json)
