from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.runs_for_tests import QUICK, quick_run
from unmixcli.data.tracks import Manifest
from unmixcli.evaluation.aggregate import aggregate, track_values
from unmixcli.evaluation.report import write_report
from unmixcli.evaluation.results import read_run
from unmixcli.evaluation.tables import Table, markdown, number, overview_table


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_csv_files_hold_every_score_and_aggregate(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run", settings=replace(QUICK, oracles=("mixture",)))
    results = read_run(tmp_path / "run")
    written = write_report(results)
    found = {
        (row["track"], row["stem"], row["method"], row["measure"]): row["value"]
        for row in rows(written["scores.csv"])
    }
    target = results.own["Ä & <b>"].targets[0]
    wanted = track_values(target)
    # And the null test of each track.
    assert len(found) == 3 * 2 * 2 * len(wanted) + 3
    assert float(found["Ä & <b>", "vocals", "blend", "SI-SDR"]) == wanted["SI-SDR"]
    aggregates = aggregate(results)
    lines = rows(written["aggregates.csv"])
    assert len(lines) == len(aggregates)
    assert float(lines[0]["value"]) == pytest.approx(aggregates[0].value, abs=1e-5)
    assert lines[0]["tracks"] == "3"


def test_reports_of_the_same_scores_are_the_same_bytes(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run")
    first, second = (
        [path.read_bytes() for path in write_report(read_run(tmp_path / "run")).values()]
        for _ in range(2)
    )
    assert first == second


def test_markdown_has_a_row_each_stem_and_method(manifest: Manifest, tmp_path: Path) -> None:
    quick_run(manifest, tmp_path / "run", settings=replace(QUICK, oracles=("irm1",)))
    results = read_run(tmp_path / "run")
    text = write_report(results)["report.md"].read_text()
    table = overview_table(aggregate(results))
    assert [row[:2] for row in table.rows] == [
        ("vocals", "blend"), ("vocals", "irm1"),
        ("accompaniment", "blend"), ("accompaniment", "irm1"),
    ]  # fmt: skip
    assert "SDR, median of frames, median of tracks" in table.headings
    assert "mean of global SDR" in table.headings
    assert markdown(table) in text


def test_a_bar_in_a_name_does_not_break_a_table() -> None:
    text = markdown(Table("t", ("a", "b"), (("x|y", "1"),), words=1))
    assert text.splitlines() == ["| a | b |", "| --- | ---: |", "| x\\|y | 1 |"]


def test_what_is_not_defined_is_a_dash() -> None:
    assert number(float("nan")) == "–"
    assert number(-1.234) == "−1.23"
