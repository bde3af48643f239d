"""Aggregates and comparisons as rows of text, for the terminal, Markdown and the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unmixcli.evaluation.aggregate import TRADITIONS, Aggregate
from unmixcli.evaluation.compare import Comparison
from unmixcli.evaluation.results import RunResults

_NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Headings and rows of the same length; `words` is how many columns hold no numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 2


def aggregate_tables(aggregates: Sequence[Aggregate]) -> list[Table]:
    """A table a tradition: a row each target and method, a column each measure."""
    tables = []
    for tradition in TRADITIONS:
        own = [a for a in aggregates if a.tradition == tradition.name]
        measures = [m for m in tradition.measures if any(a.measure == m for a in own)]
        if not measures:
            continue
        keys = dict.fromkeys((a.target, a.method) for a in _by_target(own))
        flags = any(math.isfinite(a.flagged) for a in own)
        rows = tuple(_row(key, own, measures, flags=flags) for key in keys)
        counts = ("tracks", "silent", "failed", *(("ill-conditioned",) if flags else ()))
        headings = ("stem", "method", *measures, *counts)
        tables.append(Table(f"{tradition.name} ({tradition.source})", headings, rows))
    return tables


def overview_table(aggregates: Sequence[Aggregate]) -> Table:
    """What each tradition would print as "the SDR", side by side."""
    chosen = [
        (tradition.name, measure)
        for tradition in TRADITIONS
        for measure in ("SDR", "v3 SDR", "NSDR", "SI-SDRi", "global SDR")
        if any((a.tradition, a.measure) == (tradition.name, measure) for a in aggregates)
        and (tradition.over_tracks == "mean" or measure in ("SDR", "v3 SDR"))
        and tradition.per_track != "frames"
    ]
    keys = dict.fromkeys((a.target, a.method) for a in _by_target(aggregates))
    found = {(a.target, a.method, a.tradition, a.measure): a for a in aggregates}
    rows = []
    for target, method in keys:
        own = [found.get((target, method, *column)) for column in chosen]
        # A stem that is silent everywhere has none of these measures, and counts all the same.
        counted_in = [a for a in aggregates if (a.target, a.method) == (target, method)]
        most = max(counted_in, key=lambda a: a.tracks)
        numbers = (str(most.tracks), str(most.silent), str(most.failed))
        rows.append((target, method, *map(_cell, own), *numbers))
    headings = tuple(
        tradition if measure in tradition.split(" of ") else f"{measure}, {tradition}"
        for tradition, measure in chosen
    )
    counted = ("tracks", "silent", "failed")
    title = "SDR in every tradition, dB, with the bootstrap's 95 % interval over tracks"
    return Table(title, ("stem", "method", *headings, *counted), tuple(rows))


def further_table(aggregates: Sequence[Aggregate]) -> Table | None:
    """Melody, activity and spectral distance, means of tracks; None where none was asked for."""
    shown = ("OA", "RPA", "RCA", "VR", "VFA", "AUC", "F", "AUC (1 s)", "F (1 s)", "LSD")
    own = [a for a in aggregates if a.tradition == "mean of tracks" and a.measure in shown]
    if not own:
        return None
    measures = [name for name in shown if any(a.measure == name for a in own)]
    keys = dict.fromkeys((a.target, a.method) for a in _by_target(own))
    rows = tuple(_row(key, own, measures, flags=False) for key in keys)
    headings = ("stem", "method", *measures, "tracks", "silent", "failed")
    return Table(
        "Means of tracks, 0 to 1; LSD in dB; of VFA and LSD less is better", headings, rows
    )


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """A row each pair of runs, target and measure."""
    headings = (
        "first",
        "second",
        "stem",
        "measure",
        "mean difference",
        "median",
        "better",
        "worse",
        "tracks",
        "p (sign test)",
    )
    rows = tuple(
        (
            c.first,
            c.second,
            c.target,
            c.measure,
            _with_interval(c.mean, c.low, c.high),
            number(c.median),
            str(c.better),
            str(c.worse),
            str(c.tracks),
            f"{c.p:.4f}",
        )
        for c in comparisons
    )
    return Table("Second run minus first, track by track", headings, rows, words=4)


def null_table(results: RunResults) -> Table | None:
    """The null test of each track whose stems should sum to its mix; None where none should."""
    found = {track: record.facts.get("null_db") for track, record in results.own.items()}
    rows = tuple((track, number(value)) for track, value in found.items() if value is not None)
    if not rows:
        return None
    title = "Null test: the mix minus the sum of the stems, dB of the mix"
    return Table(title, ("track", "residual"), rows, words=1)


def failure_table(results: RunResults) -> Table:
    """The tracks without scores, and why."""
    rows = tuple(results.failures.items())
    return Table("Tracks that failed", ("track", "reason"), rows)


def markdown(table: Table) -> str:
    """A table of Markdown, numbers to the right."""
    rule = ["---" if column < table.words else "---:" for column in range(len(table.headings))]
    lines = (table.headings, tuple(rule), *table.rows)
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines) + "\n"


def number(value: float) -> str:
    """Two decimals, or a dash for what is not defined."""
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else _NOTHING


def _by_target(aggregates: Sequence[Aggregate]) -> list[Aggregate]:
    targets = list(dict.fromkeys(a.target for a in aggregates))
    return sorted(aggregates, key=lambda a: targets.index(a.target))


def _row(
    key: tuple[str, str], aggregates: Sequence[Aggregate], measures: Sequence[str], *, flags: bool
) -> tuple[str, ...]:
    own = {a.measure: a for a in aggregates if (a.target, a.method) == key}
    most = max(own.values(), key=lambda a: a.tracks)
    cells = [_cell(own.get(measure)) for measure in measures]
    share = (f"{most.flagged:.0%}".replace("%", " %"),) if flags else ()
    return (*key, *cells, str(most.tracks), str(most.silent), str(most.failed), *share)


def _cell(aggregate: Aggregate | None) -> str:
    if aggregate is None:
        return _NOTHING
    return _with_interval(aggregate.value, aggregate.low, aggregate.high)


def _with_interval(value: float, low: float, high: float) -> str:
    if not math.isfinite(low):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
