"""The reports of a run: CSV of every score and aggregate, Markdown, and one page of HTML."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from unmixcli.evaluation.aggregate import Aggregate, aggregate, track_values
from unmixcli.evaluation.files import write_text
from unmixcli.evaluation.page import page
from unmixcli.evaluation.results import RunResults
from unmixcli.evaluation.tables import (
    Table,
    aggregate_tables,
    failure_table,
    markdown,
    null_table,
    overview_table,
)

PAGE = "report.html"


def write_report(results: RunResults) -> dict[str, Path]:
    """Write all reports into the folder of the run, and return their paths by name.

    Raises `ResourceError` if the folder or the disk refuse.
    """
    aggregates = aggregate(results)
    texts = {
        "scores.csv": scores_csv(results),
        "aggregates.csv": aggregates_csv(aggregates),
        "report.md": report_markdown(results, aggregates),
        PAGE: page(results, aggregates),
    }
    for name, text in texts.items():
        write_text(results.folder / name, text)
    return {name: results.folder / name for name in texts}


def scores_csv(results: RunResults) -> str:
    """A line each track, stem, method and measure; empty values are not defined."""
    lines = [
        (track, target.name, method, measure, _exact(value), str(target.silent).lower())
        for method, records in results.records.items()
        for track, record in records.items()
        for target in record.targets
        for measure, value in track_values(target).items()
    ]
    lines += [
        (track, "all", results.method, "null test", _exact(record.facts["null_db"]), "false")
        for track, record in results.own.items()
        if "null_db" in record.facts
    ]
    return _csv(("track", "stem", "method", "measure", "value", "silent"), lines)


def aggregates_csv(aggregates: Sequence[Aggregate]) -> str:
    """A line each aggregate, with its interval and counts."""
    lines = [
        tuple(_exact(value) if isinstance(value, float) else str(value) for value in astuple(a))
        for a in aggregates
    ]
    return _csv([field.name for field in fields(Aggregate)], lines)


def report_markdown(results: RunResults, aggregates: Sequence[Aggregate]) -> str:
    """The tables under headings."""
    tables: list[Table] = [overview_table(aggregates), *aggregate_tables(aggregates)]
    if null := null_table(results):
        tables.append(null)
    if results.failures:
        tables.append(failure_table(results))
    parts = [f"# {results.method} on {results.dataset}\n"]
    parts += [f"## {table.title}\n\n{markdown(table)}" for table in tables]
    return "\n".join(parts)


def _csv(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(lines)
    return text.getvalue()


def _exact(value: float) -> str:
    return f"{value:.5f}" if math.isfinite(value) else ""
