"""Where a run keeps what, and how a text file appears whole or not at all.

- `RUN/run.json`: what was evaluated, which tracks failed and why
- `RUN/test/TRACK.json`: the model's scores; museval looks for `test/`
- `RUN/oracles/NAME/test/TRACK.json`: those of an oracle
- `RUN/audio/TRACK/*.mp3`: the mix, the estimates and the references
- `RUN/report.html`, `report.md`, `scores.csv`, `aggregates.csv`
"""

from __future__ import annotations

import re
from pathlib import Path

from unmixcli import finished

RUN_FILE = "run.json"
_SCORES = "test"
_ORACLES = "oracles"


def score_file(folder: Path, track: str, *, oracle: str | None = None) -> Path:
    """The scores of a track: the model's, or an oracle's."""
    return scores_folder(folder, oracle=oracle) / f"{safe_name(track)}.json"


def scores_folder(folder: Path, *, oracle: str | None = None) -> Path:
    """The folder of all scores of the model, or of an oracle."""
    root = folder if oracle is None else folder / _ORACLES / oracle
    return root / _SCORES


def audio_folder(folder: Path, track: str) -> Path:
    """The folder of the stems of a track."""
    return folder / "audio" / safe_name(track)


def safe_name(name: str) -> str:
    """A name as one part of a path on every system; names that are safe stay as they are."""
    plain = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name).rstrip(" .")
    return re.sub(r"^\.", "_", plain) or "_"


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; the folder is made.

    Raises `ResourceError` if the folder or the disk refuse.
    """
    finished.write_text(path, text, hint="; choose another folder with --out")
