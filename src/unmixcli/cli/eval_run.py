"""What `unmix eval` does with its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch

from unmixcli.cli.eval_display import Lines, open_display, summary_lines
from unmixcli.data.tracks import Manifest, has_pitch, read_dataset
from unmixcli.errors import ResourceError, UsageError
from unmixcli.evaluation.aggregate import aggregate
from unmixcli.evaluation.compare import compare
from unmixcli.evaluation.estimates import Estimator, FolderEstimator, ModelEstimator
from unmixcli.evaluation.events import Summary
from unmixcli.evaluation.files import safe_name
from unmixcli.evaluation.report import PAGE, write_report
from unmixcli.evaluation.results import read_run
from unmixcli.evaluation.run import evaluate
from unmixcli.evaluation.settings import EvalSettings, parse_metrics, parse_oracles
from unmixcli.evaluation.tables import comparison_table, further_table, overview_table
from unmixcli.separation.session import open_session, select_model
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request

_ALL = "all"
_TEST = "test"
_OUT = Path("evaluation")


@dataclass(frozen=True)
class Arguments:
    """The options of the command, by their names there."""

    model: str | None
    data: Path | None
    kind: str | None
    split: str | None
    estimates: Path | None
    references: Path | None
    metrics: str
    oracle: str | None
    window: float
    hop: float
    jobs: int
    device: Enum
    out: Path | None
    audio: bool


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code."""
    _check(arguments)
    settings = EvalSettings(
        metrics=parse_metrics(arguments.metrics),
        oracles=() if arguments.oracle is None else parse_oracles(arguments.oracle),
        window_s=arguments.window,
        hop_s=arguments.hop,
        device=_metric_device(arguments.device.value),
        audio=arguments.audio,
    )
    manifest = _manifest(arguments)
    estimator = _estimator(arguments)
    # A split that was asked for has a folder of its own beside that of the usual one.
    name = "-".join(word for word in (manifest.dataset, arguments.split) if word)
    folder = arguments.out or _OUT / safe_name(name) / safe_name(estimator.name)
    with open_display() as display:
        summary = evaluate(
            manifest, estimator, settings, folder=folder, listener=display, jobs=arguments.jobs
        )
        if "melody" in settings.metrics and not any(has_pitch(t) for t in manifest.tracks):
            display.say("melody: no track has its pitch written down, so there is none to score")
        _report(folder, summary, display)
    return summary.exit_code


def run_comparison(folders: Sequence[Path]) -> int:
    """Compare runs and return the exit code."""
    comparisons = compare([read_run(folder) for folder in folders])
    with open_display() as display:
        display.table(comparison_table(comparisons))
    return 0


def _check(arguments: Arguments) -> None:
    if (arguments.model is None) == (arguments.estimates is None):
        raise UsageError(
            "unmix eval scores a model or files: give one of --model NAME and --estimates DIR"
        )
    if (arguments.data is None) == (arguments.references is None):
        raise UsageError(
            "unmix eval needs true stems: give one of --data FOLDER and --references DIR"
        )
    if arguments.references is not None and arguments.estimates is None:
        raise UsageError("--references goes with --estimates; with --model, type --data")


def _metric_device(name: str) -> str:
    """Where BSS Eval computes; it needs double precision, so never on MPS."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ResourceError("--device cuda: there is no CUDA device here; --device cpu runs")
    return "cuda" if name in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


def _manifest(arguments: Arguments) -> Manifest:
    folder = arguments.data or arguments.references
    assert folder is not None
    manifest = read_dataset(folder, kind=arguments.kind)
    if arguments.split is None:
        return manifest.select(_TEST if _TEST in manifest.splits else None)
    return manifest.select(None if arguments.split == _ALL else arguments.split)


def _estimator(arguments: Arguments) -> Estimator:
    if arguments.estimates is not None:
        return FolderEstimator(arguments.estimates)
    choice, plan = select_model(arguments.model, Request())
    return ModelEstimator(
        open_session(choice, plan, device=arguments.device.value, options=SpectralOptions())
    )


def _report(folder: Path, summary: Summary, display: Lines) -> None:
    results = read_run(folder)
    written = write_report(results)
    if results.own:
        aggregates = aggregate(results)
        display.table(overview_table(aggregates))
        if further := further_table(aggregates):
            display.table(further)
    display.say("")
    for line in summary_lines(summary):
        display.say(line)
    display.say(f"report: {written[PAGE]}")
