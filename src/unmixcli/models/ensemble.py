"""Several models as one: `a+b`, or a TOML file with a weight for each model and stem.

    method = "mean"                       # or min, max, median, by the magnitudes of spectra
    [[members]]
    model = "umxhq"
    [[members]]
    model = "spleeter-2stems"
    weights = { vocals = 2.0, drums = 0.0 }   # 1 where none is named

The stems are those of the first member; every other one has a say in those that it can give,
alone or as a sum. An ensemble is a model like any other: its card has architecture "ensemble" and
the members in its parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmixcli.errors import ModelError, UsageError
from unmixcli.models.card import Card, Chunks, Licence
from unmixcli.models.stems import StemSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ARCHITECTURE = "ensemble"

Method = Literal["mean", "min", "max", "median"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Strict):
    """A model of an ensemble.

    Attributes:
        model: its name or folder.
        weights: by stems; 1 for those that are not named, 0 leaves the model out.
    """

    model: str
    weights: Mapping[str, Annotated[float, Field(ge=0)]] = {}


class Ensemble(_Strict):
    """What an ensemble file says.

    Attributes:
        method: how estimates of a stem become one: the weighted mean of their samples; or in each
            bin of their spectra the estimate of least, greatest or median magnitude among those
            with a weight.
        members: at least two.
    """

    method: Method = "mean"
    members: Annotated[tuple[Member, ...], Field(min_length=2)]


def parse_ensemble(text: str) -> Ensemble:
    """Read `a+b`.

    Raises:
        UsageError: if a name is missing.
    """
    names = [name.strip() for name in text.split("+")]
    if len(names) < 2 or not all(names):
        raise UsageError(f"--model {text}: an ensemble must read a+b")
    return Ensemble(members=tuple(Member(model=name) for name in names))


def read_ensemble(path: Path) -> Ensemble:
    """Read the TOML file of an ensemble.

    Raises:
        ModelError: if it cannot be read, or names the first field that is wrong.
    """
    try:
        return Ensemble.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as an ensemble: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path}: {field}: {first['msg']}") from error


def ensemble_card(ensemble: Ensemble, find: Callable[[str], Card]) -> Card:
    """The card of an ensemble.

    Args:
        ensemble: what it is made of.
        find: gives the card of a member.

    Raises:
        ModelError: for weights of stems that the ensemble has not or a member cannot give, or a
            stem that nobody gives.
    """
    cards = [find(member.model) for member in ensemble.members]
    first, names = cards[0], [member.model for member in ensemble.members]
    for member, card in zip(ensemble.members, cards, strict=True):
        _check_weights(member, card, first.stems)
        if not any(weights_of(member, card, first.stems)):
            raise ModelError(
                f"{member.model} gives none of {', '.join(first.stems)}, the stems of "
                f"{first.name}; leave it out of the ensemble"
            )
    free = all(card.licence.commercial for card in cards)
    licences = dict.fromkeys(card.licence.name for card in cards)
    return Card(
        name="_".join(dict.fromkeys(card.name for card in cards)),
        title=" + ".join(card.title for card in cards),
        description=f"The {ensemble.method} of {' and '.join(names)}.",
        architecture=ARCHITECTURE,
        parameters={
            "ensemble": ensemble.model_dump(mode="json"),
            # So that another version of a member is another ensemble.
            "cards": [card.model_dump(mode="json", exclude_defaults=True) for card in cards],
        },
        stems=first.stems,
        residual=first.residual,
        sample_rate=first.sample_rate,
        channels=first.channels,
        chunks=Chunks(length=1),
        mps=all(card.mps for card in cards),
        licence=Licence(name=", ".join(licences), commercial=free),
        training_data="; ".join(dict.fromkeys(card.training_data for card in cards)),
        files=(),
    )


def ensemble_of(card: Card) -> Ensemble:
    """What `ensemble_card` was given."""
    content: Any = card.parameters["ensemble"]
    return Ensemble.model_validate(content)


def weights_of(member: Member, card: Card, stems: Sequence[str]) -> tuple[float, ...]:
    """The say of a member in each of the stems; 0 where it cannot give it.

    Args:
        member: of the ensemble.
        card: its.
        stems: of the ensemble.
    """
    own = StemSet(card.stems, card.residual)
    return tuple(
        0.0 if own.weights(stem) is None else member.weights.get(stem, 1.0) for stem in stems
    )


def _check_weights(member: Member, card: Card, stems: Sequence[str]) -> None:
    own = StemSet(card.stems, card.residual)
    for stem, weight in member.weights.items():
        if stem not in stems:
            raise ModelError(
                f"the ensemble has no stem {stem!r}: those of its first model are "
                f"{', '.join(stems)}"
            )
        if weight and own.weights(stem) is None:
            raise ModelError(f"{member.model} cannot give {stem!r}, for which it has a weight")
