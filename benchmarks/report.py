"""Tables as Markdown, and their places in the docs."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

DOCS = Path(__file__).resolve().parent.parent / "docs"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the figures depend on, in a line."""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}."
    )


def insert(name: str, text: str, *, page: Path = DOCS / "speed.md") -> None:
    """Put a table between the comments of its name in a page of the docs."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page}: no place named {name}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every measurement has."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--write", action="store_true", help="put the table into the docs")
    return made


def publish(name: str, text: str, *, write: bool, page: str = "speed.md") -> None:
    """Print a table, and write it into the docs if asked to."""
    print(text)
    if write:
        insert(name, text, page=DOCS / page)
