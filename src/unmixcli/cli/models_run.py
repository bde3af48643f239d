"""What `unmix models` does and prints."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from unmixcli.errors import ModelError, UsageError
from unmixcli.models.added import add, add_converted, forget
from unmixcli.models.card import Card
from unmixcli.models.catalogue import (
    Model,
    able_models,
    broken_cards,
    default_model,
    find_model,
    list_models,
)
from unmixcli.models.chosen import agree, choose, has_agreed
from unmixcli.models.ensemble import ARCHITECTURE, ensemble_of
from unmixcli.models.hub import PullError, is_downloadable, pull
from unmixcli.models.weights import file_path, missing, obtain_command, proof, verify_installed


def print_list(stem: str | None, *, order: str | None, as_json: bool) -> None:
    """Print every model, in this order or installed ones first.

    Raises:
        UsageError: for a stem that no model has.
    """
    rank = _RANKS[order]
    models = list_models() if stem is None else able_models([stem])
    models.sort(key=lambda model: rank(model, stem))
    default = _default_name()
    if as_json:
        for model in models:
            print(json.dumps(_summary(model, is_default=model.name == default)))
        return
    _print_columns(
        [
            ("model", "installed", "SDR in dB", "size", "speed", "licence"),
            *(_row(model, is_default=model.name == default) for model in models),
        ]
    )
    unknown = sum(math.isinf(rank(model, stem)) for model in models)
    _print_foot(models, f"those without {_UNRANKED[order]} come last: {unknown}" if unknown else "")
    for error in broken_cards():
        print(f"unmix: error: {error}", file=sys.stderr)


def print_card(name: str, *, as_json: bool) -> None:
    """Print everything that a card says."""
    model = find_model(name)
    facts = model.card.model_dump(mode="json", exclude_none=True)
    proofs = {
        file.name: proof(file_path(model.card, file, model.folder), file)
        for file in model.card.files
    }
    state = {"installed": model.installed, "folder": str(model.folder), "proofs": proofs}
    facts = {**facts, **state}
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    # Digests and addresses are to be compared and copied.
    table.add_column(overflow="fold")
    for field, value in facts.items():
        table.add_row(field, value if isinstance(value, str) else json.dumps(value))
    Console().print(table)


def print_paths(name: str) -> None:
    """Print where the files of a model lie, or will lie."""
    model = _single(name)
    for file in model.card.files:
        print(file_path(model.card, file, model.folder))


def pull_models(names: Sequence[str] | None, *, accept_licence: bool, offline: bool) -> None:
    """Download what is missing of these models, or of all."""
    _stay_offline(offline)
    if names is None:
        models = [model for model in list_models() if is_downloadable(model.card)]
    else:
        models = list({name: _single(name) for name in names}.values())
    command = f"pull {' '.join(names or ['--all'])}"
    cards = [model.card for model in models if is_downloadable(model.card)]
    _ask_for_licences(cards, accept_licence, command=command)
    failures = _pulled(cards)
    for model in models:
        if is_downloadable(model.card):
            done = "downloaded and verified"
        elif model.installed:
            done = "is here, there is nothing to download"
        else:
            failures[model.name] = str(missing(model.card, model.folder))
        if model.name not in failures:
            print(f"{model.name}: {done}")
    if failures:
        raise PullError(failures)


def _pulled(cards: Sequence[Card]) -> dict[str, str]:
    """Bring what can be had; what happened to the rest, by the models' names."""
    try:
        with _DownloadBars() as bars:
            pull(cards, progress=bars.show)
    except PullError as error:
        return dict(error.failures)
    return {}


def verify_models(names: Sequence[str] | None) -> int:
    """Print what hashing says of these models, or of all installed ones; 1 if one is damaged."""
    if names is None:
        models = [model for model in list_models() if model.installed]
    else:
        models = [_single(name) for name in names]
    damaged = 0
    for model in models:
        try:
            verify_installed(model.card, model.folder)
        except ModelError as error:
            damaged += 1
            print(f"PROBLEM {model.name}: {str(error).removeprefix(f'{model.name}: ')}")
        else:
            print(f"ok      {model.name}{_weak_proof(model)}")
    return 1 if damaged else 0


def _weak_proof(model: Model) -> str:
    """How a model is proven, if not by the whole sha256 that its card states."""
    files = [file for file in model.card.files if file.sha256 is None]
    ways = (proof(file_path(model.card, file, model.folder), file) for file in files)
    told = "; ".join(dict.fromkeys(ways))
    return f" ({told})" if told else ""


def remove_models(names: Sequence[str]) -> None:
    """Delete copies of weights, and say how much room that made."""
    for model in [_single(name) for name in names]:
        freed = forget(model)
        print(f"{model.name}: {_megabytes(freed)} freed")


def use_model(name: str | None) -> None:
    """Choose the model that runs when none is named."""
    if name is None:
        choose(None)
        print("the best-scored installed model runs when none is named")
        return
    model = find_model(name)
    choose(_lasting(name))
    print(f"{model.name} runs when no model is named")
    if not model.installed:
        print(f"unmix: note: {missing(model.card, model.folder)}", file=sys.stderr)


def add_model(what: str, *, accept_licence: bool, offline: bool) -> None:
    """Add a model, and say what is left to do."""
    _stay_offline(offline)

    def ask(card: Card) -> None:
        _ask_for_licences([card], accept_licence, command=f"add {what}")

    model = add(what, ask=ask)
    print(f"{model.name}: added; it lies in {model.folder}")
    if not model.installed:
        print(f"to get the rest: {obtain_command(model.card)}")


def convert_checkpoint(file: str, *, trust: bool, out: str | None) -> None:
    """Write a pickled checkpoint as safetensors, or add the model that it belongs to."""
    from unmixcli.models.convert import convert_file

    source = Path(file)
    if out is None and source.is_file() and (model := add_converted(source, trust=trust)):
        print(f"{model.name}: converted; it lies in {model.folder}")
        return
    target = source.with_suffix(".safetensors") if out is None else Path(out)
    convert_file(source, out=target, trust=trust)
    print(target)


def export_model(name: str, *, onnx: str) -> None:
    """Write a model's network as ONNX."""
    from unmixcli.models.onnx import export_onnx

    export_onnx(_single(name), Path(onnx))
    print(onnx)


def _single(name: str) -> Model:
    """The model of a name, unless it is several.

    Raises:
        UsageError: for an ensemble.
    """
    model = find_model(name)
    if model.card.architecture == ARCHITECTURE:
        members = " ".join(member.model for member in ensemble_of(model.card).members)
        raise UsageError(f"{name} is an ensemble; name its models instead: {members}")
    return model


def _lasting(name: str) -> str:
    """What finds a model from any folder: its name, or absolute paths."""
    if any(model.name == name for model in list_models()):
        return name
    if Path(name).exists():
        return str(Path(name).resolve())
    return "+".join(_lasting(part.strip()) for part in name.split("+"))


class _DownloadBars(Bars):
    """A bar for each file; where stderr is no terminal, a line as each begins."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._files: dict[str, TaskID] = {}
        self._naming = Lock()

    def show(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a file; several threads call this."""
        with self._naming:
            if name not in self._files:
                self._files[name] = self.add_task(name)
                if self.disable:
                    print(f"downloading {name}", file=sys.stderr)
            self.update(self._files[name], completed=done, total=total)


def _stay_offline(offline: bool) -> None:
    if offline:
        os.environ["UNMIX_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"


def _ask_for_licences(cards: Sequence[Card], accepted: bool, *, command: str) -> None:
    """Agree to non-commercial terms, once a model: by option, or on a terminal by an answer."""
    asked = [card for card in cards if not has_agreed(card)]
    terms = "; ".join(f"{card.name}: {_terms(card)}" for card in asked)
    if asked and not accepted and not _is_terminal():
        raise UsageError(
            f"these weights are not for commercial use, or their terms are not stated ({terms}); "
            f"to agree: unmix models {command} --accept-licence"
        )
    for card in asked:
        print(f"{card.name}: {_terms(card)}", file=sys.stderr)
        if not accepted and not typer.confirm("Agree?", err=True):
            raise UsageError(f"{card.name} is not downloaded: its terms were not agreed to")
        agree(card)


def _terms(card: Card) -> str:
    return ". ".join(filter(None, (card.licence.name, card.licence.note)))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


_RANKS: dict[str | None, Callable[[Model, str | None], float]] = {
    None: lambda model, _: float(not model.installed),
    "sdr": lambda model, stem: -model.score([stem] if stem else model.card.stems),
    "speed": lambda model, _: math.inf if model.speed is None else -model.speed,
    "size": lambda model, _: math.inf if model.size is None else model.size,
}
"""By the option --sort: the least comes first, and last that of which nothing is known."""

_UNRANKED = {
    None: "",
    "sdr": "a score for every stem",
    "speed": "a measured speed",
    "size": "a stated size",
}


def _print_foot(models: Sequence[Model], note: str) -> None:
    absent = [model for model in models if not model.installed]
    absent.sort(key=_first_to_try)
    lines = [note] if note else []
    lines += [f"To install one: {obtain_command(absent[0].card)}"] if absent else []
    if lines:
        print("", *lines, sep="\n")


def _first_to_try(model: Model) -> tuple[bool, bool, float]:
    """Free models that separate, the best for vocals first."""
    score = model.score(["vocals"]) if model.card.stems else -math.inf
    return not model.card.licence.commercial, not model.card.stems, -score


def _default_name() -> str | None:
    model = default_model()
    return None if model is None else model.name


def _print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Plain columns that never wrap, so that other programs can read them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _row(model: Model, *, is_default: bool) -> tuple[str, ...]:
    licence = model.card.licence
    return (
        model.name,
        ("yes" if model.installed else "no") + (", default" if is_default else ""),
        _scores(model),
        "?" if model.size is None else _megabytes(model.size),
        "?" if model.speed is None else f"{model.speed:.1f}x",
        licence.name + ("" if licence.commercial else " (asks first)"),
    )


def _summary(model: Model, *, is_default: bool) -> dict[str, object]:
    card = model.card
    return {
        "name": model.name,
        "title": card.title,
        "stems": card.stems,
        "pitch": card.pitch is not None,
        "installed": model.installed,
        "default": is_default,
        "size": model.size,
        "licence": card.licence.name,
        "commercial": card.licence.commercial,
        "scores": [score.model_dump() for score in card.scores],
        "speeds": [speed.model_dump() for speed in card.speeds],
        "command": None if model.installed else obtain_command(card),
    }


def _scores(model: Model) -> str:
    """Every stem, with its score where one is stated."""
    scores = {stem: model.card.score(stem) for stem in model.card.gives}
    return ", ".join(f"{stem} {value:.2f}" if value else stem for stem, value in scores.items())


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
