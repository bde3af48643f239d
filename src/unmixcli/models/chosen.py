"""What the user has chosen: the model that runs when none is named, and terms agreed to.

A TOML file that may be edited by hand or deleted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmixcli.errors import ModelError, ResourceError
from unmixcli.finished import write_text
from unmixcli.models.alone import alone_on
from unmixcli.models.card import Card
from unmixcli.models.paths import settings_file
from unmixcli.models.toml import toml_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Chosen(BaseModel):
    """The content of the file.

    Attributes:
        model: the name or folder of the default model; None takes the best installed one.
        accepted: names of licences by the names of the models whose terms were agreed to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1)] | None = None
    accepted: dict[str, str] = {}


def chosen() -> Chosen:
    """What the user has chosen so far.

    Raises:
        ModelError: if the file cannot be read as that.
    """
    path = settings_file()
    try:
        return Chosen.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Chosen()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: cannot be read: {reason}; mend or delete it") from error


def choose(model: str | None) -> None:
    """Make a model the default; None for none.

    Raises:
        ModelError: if the file cannot be read.
        ResourceError: if it cannot be written.
    """
    _change(lambda before: before.model_copy(update={"model": model}))


def has_agreed(card: Card) -> bool:
    """Whether nothing is to be asked before the weights are used: free ones, or agreed to."""
    return card.licence.commercial or chosen().accepted.get(card.name) == card.licence.name


def agree(card: Card) -> None:
    """Remember that the terms of a model were agreed to; other terms will be asked for again.

    Raises:
        ModelError: if the file cannot be read.
        ResourceError: if it cannot be written.
    """
    terms = {card.name: card.licence.name}
    _change(lambda before: before.model_copy(update={"accepted": {**before.accepted, **terms}}))


def _change(change: Callable[[Chosen], Chosen]) -> None:
    path: Path = settings_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone_on(path):
            write_text(path, toml_text(change(chosen()).model_dump(exclude_none=True)))
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written: {error.strerror or error}") from error
