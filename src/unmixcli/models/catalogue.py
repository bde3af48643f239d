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
        """Its stems.

        Raises:
            UsageError: if it has none.
        """
        card = self.with_stems().card
        return StemSet(card.stems, card.residual)

    def with_stems(self) -> Model:
        """This model itself.

        Raises:
            UsageError: if it gives pitch alone.
        """
        if not self.card.stems:
            raise UsageError(
                f"{self.name} gives pitch and no stems; type: unmix pitch INPUT --model {self.name}"
            )
        return self

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
        """Whether it can give each of these stems or sums, or any if none are named."""
        if not self.card.stems:
            return False
        return all(self.stem_set.weights(stem) is not None for stem in stems)

    def score(self, stems: Sequence[str]) -> float:
        """The mean of its stated SDRs of these stems in dB; minus infinity if one is missing."""
        values = [self._score(stem) for stem in self._parts(stems)]
        known = [value for value in values if value is not None]
        # A model that hides its weakest stem must not be the best for it.
        whole = known and len(known) == len(values)
        return sum(known) / len(known) if whole else float("-inf")

    def lead(self, other: Model, stems: Sequence[str]) -> float | None:
        """By how many dB it scores better than another model in these stems, on average.

        None unless both were measured in each of them by one protocol: what differs otherwise may
        be the songs, or how their seconds were averaged.
        """
        parts = self._parts(stems)
        if set(parts) != set(other._parts(stems)):
            return None
        leads = []
        for part in parts:
            mine, theirs = self._figures(part), other._figures(part)
            shared = [mine[key] - theirs[key] for key in mine.keys() & theirs.keys()]
            if not shared:
                return None
            leads.append(sum(shared) / len(shared))
        return sum(leads) / len(leads) if leads else None

    def _parts(self, stems: Sequence[str]) -> list[str]:
        """The stems of its own that are in these stems and sums."""
        spelt_out = (part for stem in stems for part in self.stem_set.weights(stem) or {})
        return list(dict.fromkeys(spelt_out))

    def _figures(self, stem: str) -> dict[tuple[str, str], float]:
        """The best stated SDR by stem and protocol; what two stems leave over has the other's."""
        scores = [score for score in self.card.scores if score.metric == "SDR"]
        stated = [score for score in scores if score.stem == stem]
        if not stated and stem == self.card.residual and len(self.card.stems) == 2:
            stated = scores
        ascending = sorted(stated, key=lambda score: score.value)
        return {(score.stem, score.protocol): score.value for score in ascending}

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
        better: the best-scored one of those that are not here, give the same stems and were
            measured in the same way; None if that is no better than `model`.
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
        return find_model(name, within=within).with_stems().card

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
    return _best(stems)


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
    decisive = stems or ("vocals",)
    able = sorted(able_models(decisive), key=lambda m: m.score(decisive), reverse=True)
    best = next((model for model in able if model.installed), None)
    if best is None:
        how = missing(able[0].card, able[0].folder)
        raise UsageError(f"no installed model has {', '.join(decisive)}; {how}")
    better = _better(best, able, written=stems or best.card.stems)
    return Choice(best) if better is None else Choice(best, better, obtain_command(better.card))


def _better(best: Model, able: Sequence[Model], *, written: Sequence[str]) -> Model | None:
    """Of the models that are not here and give what is written, the one that leads by most."""
    absent = [model for model in able if model.has(written) and not model.installed]
    leads = {model.name: model.lead(best, written) or 0.0 for model in absent}
    ahead = [model for model in absent if leads[model.name] > 0]
    return max(ahead, key=lambda model: leads[model.name], default=None)


def able_models(stems: Sequence[str]) -> list[Model]:
    """The models that can give all these stems, by name.

    Raises:
        UsageError: if there is none; it lists the stems that exist.
    """
    models = list_models()
    if able := [model for model in models if model.has(stems)]:
        return able
    if tuple(stems) == ("pitch",):
        return [model for model in models if model.card.pitch is not None]
    known = ", ".join(sorted({stem for model in models for stem in model.card.stems}))
    noun = "stem" if len(stems) == 1 else "stems"
    raise UsageError(f"no model has the {noun} {', '.join(stems)}; known are {known}")


def models_with(stem: str) -> list[Model]:
    """Models that can give `stem`: installed ones first, then free ones, then by score."""

    def order(model: Model) -> tuple[bool, bool, float]:
        return not model.installed, not model.card.licence.commercial, -model.score([stem])

    return sorted((model for model in list_models() if model.has([stem])), key=order)


def _card_paths() -> Iterator[Path]:
    for root in (user_folder(), builtin_folder()):
        if root.is_dir():
            yield from sorted(root.glob(f"*/{CARD_NAME}"))
