"""The page of a run: one HTML file with its style, script and data inside, nothing from a network.

Only the stems lie beside it, in `audio/`, and are linked relative to it.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from unmixcli.data.tracks import MIX
from unmixcli.evaluation.aggregate import Aggregate, by_target, track_values
from unmixcli.evaluation.boxplot import box_plot
from unmixcli.evaluation.listening import audio_files
from unmixcli.evaluation.measure import Frames
from unmixcli.evaluation.published import PublishedTable, published_tables
from unmixcli.evaluation.record import TargetRecord
from unmixcli.evaluation.results import RunResults
from unmixcli.evaluation.tables import (
    Table,
    aggregate_tables,
    failure_table,
    null_table,
    overview_table,
)

_PLOTTED = ("SDR", "SIR", "SAR", "ISR", "v3 SDR", "NSDR", "SI-SDRi", "global SDR")
_LISTED = (*_PLOTTED, "OA", "RPA", "RCA", "AUC (1 s)", "F (1 s)", "leak")
_FRAMED = ("SDR", "SIR", "SAR", "ISR")
# The rounding of samples ends below; what is beyond would flatten everything else.
_DRAWN_UP_TO_DB = 100.0
_LONG_HEADING = 14


def page(results: RunResults, aggregates: Sequence[Aggregate]) -> str:
    """The whole page."""
    title = f"{results.method} on {results.dataset}"
    sections = [
        _head(results, title),
        _aggregates(aggregates),
        _box_plots(results),
        _over_time(results),
        _scores(results),
        _null_test(results),
        _failures(results),
        _papers(published_tables()),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_resource('page.css')}</style>\n</head>\n"
        f"<body>\n{''.join(sections)}"
        f'<script type="application/json" id="data">{_data(results)}</script>\n'
        f"<script>\n{_resource('page.js')}</script>\n</body>\n</html>\n"
    )


def _resource(name: str) -> str:
    return files("unmixcli.evaluation").joinpath(name).read_text(encoding="utf-8")


def _head(results: RunResults, title: str) -> str:
    settings = results.settings
    facts = {
        "data set": f"{results.dataset} ({', '.join(results.splits) or 'no splits'})",
        "tracks": f"{len(results.own)} scored, {len(results.failures)} failed",
        "BSS Eval": f"frames of {settings['window_s']:g} s every {settings['hop_s']:g} s",
        "metrics": ", ".join(settings["metrics"]),
    }
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in facts.items()
    )
    return f'<h1>{html.escape(title)}</h1>\n<dl class="facts">{rows}</dl>\n'


def _aggregates(aggregates: Sequence[Aggregate]) -> str:
    details = "".join(_table(table) for table in aggregate_tables(aggregates))
    return (
        "<h2>One number, in every tradition</h2>\n"
        "<p>Numbers of different columns cannot be compared. In brackets: the bootstrap's 95 % "
        "interval over tracks. LSD and leak are better when smaller. Tracks in which the stem, or "
        "everything else, is silent count as silent and have no ratios. Where frames are "
        "ill-conditioned, because references leave frequencies empty as lossy audio does, ISR, SIR "
        "and SAR of BSS Eval v4 mean little; v3 is sound there.</p>\n"
        f"{_table(overview_table(aggregates))}"
        f"<details><summary>All measures of each tradition</summary>{details}</details>\n"
    )


def _box_plots(results: RunResults) -> str:
    figures = []
    for measure in _PLOTTED:
        groups = _groups(results, measure)
        if groups:
            plot = box_plot(groups, title=measure)
            figures.append(f"<figure><figcaption>{measure}, dB</figcaption>{plot}</figure>")
    return (
        "<h2>Distribution over tracks</h2>\n"
        "<p>A box holds half of the tracks, its line is their median; whiskers reach the outermost "
        "track within 1.5 box lengths, crosses lie beyond. SDR, SIR, SAR and ISR are medians of a "
        "track's frames. Scores beyond 100 dB, as the mix has in SAR, are not drawn.</p>\n"
        f'{_legend(results)}<div class="plots">{"".join(figures)}</div>\n'
    )


def _groups(results: RunResults, measure: str) -> dict[str, dict[str, list[float]]]:
    groups: dict[str, dict[str, list[float]]] = {}
    for method, records in results.records.items():
        for stem, found in by_target(records).items():
            values = [track_values(record).get(measure, math.nan) for record in found.values()]
            finite = [value for value in values if _can_be_drawn(value)]
            # An empty list keeps the method's place, and with it its colour.
            groups.setdefault(stem, {name: [] for name in results.records})[method] = finite
    return {stem: group for stem, group in groups.items() if any(group.values())}


def _can_be_drawn(value: float) -> bool:
    return abs(value) <= _DRAWN_UP_TO_DB


def _legend(results: RunResults) -> str:
    entries = "".join(
        f'<span class="m{place}">{html.escape(name)}</span>'
        for place, name in enumerate(results.records)
    )
    return f'<div class="legend">{entries}</div>\n'


def _over_time(results: RunResults) -> str:
    options = "".join(f"<option>{name}</option>" for name in _FRAMED)
    return (
        "<h2>Score over time</h2>\n"
        "<p>Click on the plot to play that second of the estimate. Dots mark "
        "ill-conditioned frames, whose ISR, SIR and SAR mean little.</p>\n"
        '<div class="controls"><label>track <select id="track"></select></label>'
        '<label>stem <select id="stem"></select></label>'
        f'<label>measure <select id="measure">{options}</select></label></div>\n'
        f'{_legend(results)}<p class="quiet" id="notes"></p>\n'
        '<svg id="time" role="img" aria-label="score over time" viewBox="0 0 900 240" width="900" '
        'height="240"></svg>\n<div class="listen" id="listen"></div>\n'
    )


def _scores(results: RunResults) -> str:
    rows = list(_score_rows(results))
    measures = [m for m in _LISTED if any(m in values for *_, values in rows)]
    headings = "".join(
        f'<th scope="col"{_word(column)}><button type="button">{html.escape(name)}</button></th>'
        for column, name in enumerate(("track", "stem", "method", *measures))
    )
    body = "".join(_score_row(*row, measures=measures) for row in rows)
    return (
        '<h2>Every track</h2>\n<div class="controls">'
        '<label>filter <input id="filter" type="search" placeholder="words"></label>'
        f"<label>stem {_choice('only-stem', [stem for _, stem, _, _ in rows])}</label>"
        f"<label>method {_choice('only-method', [method for _, _, method, _ in rows])}</label>"
        '<span class="quiet" id="shown" aria-live="polite"></span></div>\n'
        f'<div class="scroll"><table id="scores"><thead><tr>{headings}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def _score_rows(results: RunResults) -> list[tuple[str, str, str, dict[str, float]]]:
    return [
        (track, target.name, method, track_values(target))
        for method, records in results.records.items()
        for track, record in records.items()
        for target in record.targets
    ]


def _score_row(
    track: str, stem: str, method: str, values: Mapping[str, float], *, measures: Sequence[str]
) -> str:
    words = "".join(f'<td class="word">{html.escape(word)}</td>' for word in (track, stem, method))
    cells = "".join(_number_cell(values.get(measure, math.nan)) for measure in measures)
    keys = f'data-stem="{html.escape(stem)}" data-method="{html.escape(method)}"'
    return f"<tr {keys}>{words}{cells}</tr>\n"


def _number_cell(value: float) -> str:
    if not math.isfinite(value):
        return '<td data-value="">–</td>'
    shown = f"{value:.2f}".replace("-", "−")
    return f'<td data-value="{value:.5f}">{shown}</td>'


def _choice(name: str, values: Sequence[str]) -> str:
    options = "".join(f"<option>{html.escape(value)}</option>" for value in dict.fromkeys(values))
    return f'<select id="{name}"><option value="">all</option>{options}</select>'


def _null_test(results: RunResults) -> str:
    table = null_table(results)
    return "" if table is None else f"<h2>{table.title}</h2>\n{_table(table)}"


def _failures(results: RunResults) -> str:
    if not results.failures:
        return ""
    table = failure_table(results)
    return f"<h2>{table.title}</h2>\n{_table(table, reasons=True)}"


def _papers(tables: Sequence[PublishedTable]) -> str:
    parts = ["<h2>The papers' tables</h2>\n"]
    for table in tables:
        about = f"{table.number}. {table.title}. {table.data}; {table.protocol}."
        parts.append(f"<h3>{html.escape(table.paper)}</h3>\n")
        parts.append(_table(Table(about, table.columns, table.rows, words=1)))
    return "".join(parts)


def _table(table: Table, *, reasons: bool = False) -> str:
    headings = "".join(
        f'<th scope="col" class="{_heading_class(name, at, table.words)}">{html.escape(name)}</th>'
        for at, name in enumerate(table.headings)
    )
    rows = "".join(
        f"<tr>{''.join(_cell(cell, at, table.words, reasons) for at, cell in enumerate(row))}</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll"><table><caption>{html.escape(table.title)}</caption>'
        f"<thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )


def _heading_class(name: str, column: int, words: int) -> str:
    if column < words:
        return "word"
    return "tall" if len(name) > _LONG_HEADING else "short"


def _cell(cell: str, column: int, words: int, reasons: bool) -> str:
    value, bracket, interval = cell.partition(" [")
    if column >= words and bracket:
        return f"<td>{value}<small>[{interval}</small></td>"
    if reasons and column:
        return f'<td class="reason">{html.escape(cell)}</td>'
    return f"<td{_word(column, words)}>{html.escape(cell)}</td>"


def _word(column: int, words: int = 3) -> str:
    return ' class="word"' if column < words else ""


def _data(results: RunResults) -> str:
    content = [_track_data(results, track) for track in results.tracks if track in results.own]
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A script element would end at "</script>", whatever stands around it.
    return text.replace("<", "\\u003c")


def _track_data(results: RunResults, track: str) -> dict[str, Any]:
    own = results.own[track]
    sources = _sources(results.folder, track, [target.name for target in own.targets])
    return {
        "name": track,
        "notes": list(own.notes),
        "mix": sources[MIX],
        "stems": [
            {
                "name": target.name,
                "unscored": _unscored(target),
                "audio": [
                    [f"{target.name}, {results.method}", sources[target.name]],
                    [f"{target.name}, reference", sources[f"{target.name} reference"]],
                ],
                "methods": _methods_data(results, track, target),
            }
            for target in own.targets
        ],
    }


def _unscored(target: TargetRecord) -> str:
    if target.silent:
        return "the reference is silent: no scores"
    return "everything else is silent: nothing to separate, no scores" if target.alone else ""


def _sources(folder: Path, track: str, targets: Sequence[str]) -> dict[str, str | None]:
    """Links from the page to the files that are there."""
    return {
        name: quote(path.relative_to(folder).as_posix()) if path.is_file() else None
        for name, path in audio_files(folder, track, targets).items()
    }


def _methods_data(results: RunResults, track: str, target: TargetRecord) -> list[dict[str, Any]]:
    found = []
    for place, (name, records) in enumerate(results.records.items()):
        targets = records[track].targets if track in records else ()
        frames = next((t.scores.frames for t in targets if t.name == target.name), None)
        if frames is not None:
            found.append({"name": name, "place": place, **_frames_data(frames)})
    return found


def _frames_data(frames: Frames) -> dict[str, Any]:
    return {
        "time": [round(float(start), 3) for start in frames.start_s],
        "duration": frames.duration_s,
        "flags": np.flatnonzero(frames.ill_conditioned).tolist(),
        "scores": {
            name: [round(float(v), 2) if _can_be_drawn(v) else None for v in frames.scores[name]]
            for name in _FRAMED
        },
    }
