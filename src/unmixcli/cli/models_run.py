"""What `unmix models` prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID
from rich.table import Table

from unmixcli.errors import UsageError
from unmixcli.models.catalogue import Model, broken_cards, find_model, list_models
from unmixcli.models.hub import pull
from unmixcli.models.weights import file_path, obtain_command


def print_list(stem: str | None, *, as_json: bool) -> None:
    """Print every model, installed ones first."""
    models = [model for model in list_models() if stem is None or model.has([stem])]
    models.sort(key=lambda model: (not model.installed, model.name))
    if as_json:
        for model in models:
            print(json.dumps(_summary(model)))
        return
    rows = [("model", "installed", "SDR in dB", "licence")]
    rows += [
        (
            model.name,
            "yes" if model.installed else "no",
            _scores(model),
            model.card.licence.name + ("" if model.card.licence.commercial else ", non-commercial"),
        )
        for model in models
    ]
    # Plain columns that never wrap, so that other programs can read them.
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        print("  ".join((*cells, row[3])))
    missing = [model for model in models if not model.installed]
    if missing:
        print(f"\nTo install one: {obtain_command(missing[0].card)}")
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


def pull_models(names: Sequence[str], *, accept_licence: bool, offline: bool) -> None:
    """Download what is missing of these models."""
    if offline:
        os.environ["UNMIX_OFFLINE"] = "1"
    models = [find_model(name) for name in names]
    for model in models:
        licence = model.card.licence
        if not licence.commercial and not accept_licence:
            raise UsageError(
                f"the weights of {model.name} are not for commercial use ({licence.name}); "
                f"to agree: unmix models pull {model.name} --accept-licence"
            )
    for model in models:
        with _DownloadBars() as bars:
            pull(model.card, progress=bars.show)
        print(f"{model.name}: downloaded and verified")


class _DownloadBars(Bars):
    """A bar for each file; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        super().__init__(console=console, transient=True, disable=not console.is_terminal)
        self._files: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a file."""
        if name not in self._files:
            self._files[name] = self.add_task(name)
        self.update(self._files[name], completed=done, total=total)


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
    """Every stem, with its score where one is stated."""
    scores = {stem: model.card.score(stem) for stem in model.card.stems}
    return ", ".join(f"{stem} {value:.2f}" if value else stem for stem, value in scores.items())
