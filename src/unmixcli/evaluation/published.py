"""The papers' own tables, as data: what a run's numbers are read beside."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.resources import files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Attributes:
        paper: its authors.
        number: of the table in the paper.
        title: what it shows.
        data: the tracks.
        protocol: how its numbers were aggregated; others cannot be compared with them.
        columns: headings.
        rows: cells as printed.
    """

    paper: str
    number: str
    title: str
    data: str
    protocol: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def published_tables() -> list[PublishedTable]:
    """All tables that were typed in."""
    text = files("unmixcli.evaluation").joinpath("published.toml").read_text(encoding="utf-8")
    return [
        PublishedTable(
            **{
                **table,
                "columns": tuple(table["columns"]),
                "rows": tuple(map(tuple, table["rows"])),
            }
        )
        for table in tomllib.loads(text)["table"]
    ]
