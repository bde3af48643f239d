"""Evaluation: models, or other tools' stems, scored on data sets and reported."""

from __future__ import annotations

from unmixcli.evaluation.compare import compare
from unmixcli.evaluation.estimates import FolderEstimator, ModelEstimator
from unmixcli.evaluation.report import write_report
from unmixcli.evaluation.results import read_run
from unmixcli.evaluation.run import evaluate
from unmixcli.evaluation.settings import EvalSettings

__all__ = [
    "EvalSettings",
    "FolderEstimator",
    "ModelEstimator",
    "compare",
    "evaluate",
    "read_run",
    "write_report",
]
