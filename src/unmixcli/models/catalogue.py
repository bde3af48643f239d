"""Every model that is known here, and which one runs when none is named."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unmixcli.errors import ModelError, UsageError
from unmixcli.models.card import Card, read_card
from unmixcli.models.chosen import chosen
from unmixcli.models.ensemble import (
    ARCHITECTURE,
    Ensemble,
    ensemble_card,
    ensemble_of,
    parse_ensemble,
    read_ensemble,
)
from unmixcli.models.paths import builtin_folder, user_folder
from unmixcli.models.stems import StemSet
from unmixcli.models.weights import is_installed, missing, obtain_command

CARD_NAME = "model.toml"


@dataclass(frozen=True)
class Model:
    """A card and the folder in which it lies."""

    card: Card
    folder: Path

    @property
    def name(self) -> str:
        """What users type."""
        return self.card.name

    @property
    def installed(self) -> bool:
        """Whether its weights are here; says nothing about whether they are intact."""
        if self.card.architecture == ARCHITECTURE:
            return all(find_model(part.model).installed for part in ensemble_of(self.card).members)
        return is_installed(self.card, self.folder)

    @property
    def stem_set(self) -> StemSet:
        """Its stems."""
        return StemSet(self.card.stems, self.card.residual)

    @property
    def size(self) -> int | None:
        """Bytes of its weights; None if a card does not tell them all."""
        sizes = [file.size for file in self.card.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def speed(self) -> float | None:
        """Its best measured speed, in seconds of music a second."""
        return max((speed.factor for speed in self.card.speeds), default=None)

    def has(self, stems: Sequence[str]) -> bool:
        """Whether it can give each of these stems or sums."""
        return all(self.stem_set.weights(stem) is not None for stem in stems)

    def score(self, stems: Sequence[str]) -> float:
        """The mean of its stated SDRs of these stems in dB; minus infinity if one is missing."""
        spelt_out = (part for stem in stems for part in self.stem_set.weights(stem) or {})
        values = [self._score(stem) for stem in dict.fromkeys(spelt_out)]
        known = [value for value in values if value is not None]
        # A model that hides its weakest stem must not be the best for it.
        whole = known and len(known) == len(values)
        return sum(known) / len(known) if whole else float("-inf")

    def _score(self, stem: str) -> float | None:
        """Of one stem; what a two-stem model leaves over is taken to be as good as its other."""
        stated = self.card.score(stem)
        if stated is None and stem == self.card.residual and len(self.card.stems) == 2:
            return max(filter(None, map(self.card.score, self.card.stems)), default=None)
        return stated


@dataclass(frozen=True)
class Choice:
    """The model that runs, and one that would be better but is not installed.

    Attributes:
        model: the best-scored installed model that has the stems.
        better: the best-scored one of all, None if that is `model`.
        command: what installs `better`.
    """

    model: Model
    better: Model | None = None
    command: str = ""


def list_models() -> list[Model]:
    """All models, the user's own before those of the package where names are the same."""
    found: dict[str, Model] = {}
    for card in _card_paths():
        with suppress(ModelError):  # `broken_cards` tells of them
            model = Model(read_card(card), card.parent)
            found.setdefault(model.name, model)
    return sorted(found.values(), key=lambda model: model.name)


def broken_cards() -> list[ModelError]:
    """What is wrong with the cards that `list_models` leaves out."""
    errors = []
    for card in _card_paths():
        try:
            read_card(card)
        except ModelError as error:
            errors.append(error)
    return errors


def find_model(name: str, *, within: tuple[Path, ...] = ()) -> Model:
    """The model of this name, in this folder, or the ensemble `a+b` or of this TOML file.

    Args:
        name: as users type it.
        within: files of ensembles of which it is a member.

    Raises:
        UsageError: for a name that is not known.
        ModelError: for a folder without a valid card, or an ensemble that is not one.
    """
    by_name = {model.name: model for model in list_models()}
    if name in by_name:
        return by_name[name]
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        if path.resolve() in within:
            raise ModelError(f"{path}: the ensemble is a member of itself")
        return _ensemble(read_ensemble(path), path.parent, within=(*within, path.resolve()))
    if "+" in name and not path.exists():
        return _ensemble(parse_ensemble(name), Path(), within=within)
    broken = [card for card in _card_paths() if card.parent.name == name]
    folder = broken[0].parent if broken else Path(name)
    if folder.is_dir():
        if not (folder / CARD_NAME).is_file():
            raise ModelError(f"{folder}: is no model: it holds no {CARD_NAME}")
        return Model(read_card(folder / CARD_NAME), folder)
    near = difflib.get_close_matches(name, by_name, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"no model is called {name!r}; known are {', '.join(by_name)}{hint}")


def _ensemble(ensemble: Ensemble, folder: Path, *, within: tuple[Path, ...]) -> Model:
    def card(name: str) -> Card:
        return find_model(name, within=within).card

    return Model(ensemble_card(ensemble, card), folder)


def choose_model(stems: Sequence[str]) -> Choice:
    """The model that runs when none is named: the user's default, or the best-scored installed one.

    The default is passed over where it has not all these stems. Without stems, any default will
    do, and else the best for vocals.

    Raises:
        UsageError: if no model has them, none of those that have is installed, or the default is
            not known any more.
        ModelError: if the default is not here; it tells how to get it.
    """
    default = default_model()
    if default is not None and default.has(stems):
        if not default.installed:
            raise missing(default.card, default.folder)
        return Choice(default)
    return _best(stems or ("vocals",))


def default_model() -> Model | None:
    """The model that the user chose to run when none is named; None for the best installed one.

    Raises:
        UsageError: if it is not known any more.
        ModelError: if the user's settings cannot be read.
    """
    name = chosen().model
    if name is None:
        return None
    try:
        return find_model(name)
    except UsageError as error:
        raise UsageError(
            f"the default is not known any more: {error}; choose another by: unmix models use "
            "NAME, or none by: unmix models use --none"
        ) from error


def _best(stems: Sequence[str]) -> Choice:
    models = list_models()
    able = sorted((m for m in models if m.has(stems)), key=lambda m: m.score(stems), reverse=True)
    if not able:
        known = sorted({stem for model in models for stem in model.card.stems})
        raise UsageError(f"no model has the stems {', '.join(stems)}; known are {', '.join(known)}")
    installed = [model for model in able if model.installed]
    if not installed:
        how = missing(able[0].card, able[0].folder)
        raise UsageError(f"no installed model has {', '.join(stems)}; {how}")
    best = installed[0]
    if able[0].score(stems) > best.score(stems):
        return Choice(best, able[0], obtain_command(able[0].card))
    return Choice(best)


def models_with(stem: str) -> list[Model]:
    """Models that can give `stem`: installed ones first, then free ones, then by score."""

    def order(model: Model) -> tuple[bool, bool, float]:
        return not model.installed, not model.card.licence.commercial, -model.score([stem])

    return sorted((model for model in list_models() if model.has([stem])), key=order)


def _card_paths() -> Iterator[Path]:
    for root in (user_folder(), builtin_folder()):
        if root.is_dir():
            yield from sorted(root.glob(f"*/{CARD_NAME}"))
