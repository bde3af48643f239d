"""What `unmix models` prints."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table

from unmixcli.models.catalogue import Model, broken_cards, find_model, list_models
from unmixcli.models.weights import file_path, obtain_command


def print_list(stem: str | None, *, as_json: bool) -> None:
    """Print every model, installed ones first."""
    models = [model for model in list_models() if stem is None or model.has([stem])]
    models.sort(key=lambda model: (not model.installed, model.name))
    if as_json:
        for model in models:
            print(json.dumps(_summary(model)))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "stems", "SDR (dB)", "licence", "installed"):
        table.add_column(heading, no_wrap=heading in {"model", "licence"})
    for model in models:
        card = model.card
        table.add_row(
            model.name,
            ", ".join(card.stems),
            _scores(model),
            card.licence.name + ("" if card.licence.commercial else " (non-commercial)"),
            "yes" if model.installed else obtain_command(card),
        )
    Console().print(table)
    for error in broken_cards():
        print(f"unmix: error: {error}", file=sys.stderr)


def print_card(name: str, *, as_json: bool) -> None:
    """Print everything that a card says."""
    model = find_model(name)
    facts = model.card.model_dump(mode="json", exclude_none=True)
    facts = {**facts, "installed": model.installed, "folder": str(model.folder)}
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for field, value in facts.items():
        table.add_row(field, value if isinstance(value, str) else json.dumps(value))
    Console().print(table)


def print_paths(name: str) -> None:
    """Print where the files of a model lie, or will lie."""
    model = find_model(name)
    for file in model.card.files:
        print(file_path(model.card, file, model.folder))


def _summary(model: Model) -> dict[str, object]:
    card = model.card
    return {
        "name": model.name,
        "title": card.title,
        "stems": card.stems,
        "installed": model.installed,
        "licence": card.licence.name,
        "commercial": card.licence.commercial,
        "scores": [score.model_dump() for score in card.scores],
        "command": None if model.installed else obtain_command(card),
    }


def _scores(model: Model) -> str:
    values = {stem: model.card.score(stem) for stem in model.card.stems}
    return ", ".join(f"{stem} {value:.2f}" for stem, value in values.items() if value is not None)
