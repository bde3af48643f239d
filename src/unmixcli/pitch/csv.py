"""Pitch as text: CSV as CREPE writes it, and lines of times and frequencies for several voices.

`song.f0.csv` has the header `time,frequency,confidence`; frequency is 0 where a frame is unvoiced.
`mir_eval.io.load_delimited(path, [float] * 3, delimiter=",", comment="time")` reads it.
`song.multif0.txt` has no header; a line is a time and the frequencies of the voices that sound,
by tabs, as `mir_eval.io.load_ragged_time_series` reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import numpy as np

from unmixcli.errors import InputError
from unmixcli.pitch.f0 import F0, Floats, Lines

HEADER = "time,frequency,confidence"


def write_f0(file: TextIO, f0: F0) -> None:
    """Append frames of one voice: seconds, Hz and 0..1 with 6, 3 and 4 decimals."""
    for time_s, hz, confidence in zip(f0.times_s, f0.f0_hz, f0.confidence, strict=True):
        file.write(f"{time_s:.6f},{hz:.3f},{confidence:.4f}\n")


def write_multi_f0(file: TextIO, times_s: Floats, lines: Lines) -> None:
    """Append frames `(voices, frames)` of several voices, in seconds and Hz."""
    for time_s, frame in zip(times_s, lines.f0_hz.T, strict=True):
        words = [f"{time_s:.6f}", *(f"{hz:.3f}" for hz in frame[frame > 0])]
        file.write("\t".join(words) + "\n")


def read_f0(path: Path) -> F0:
    """Read what `write_f0` wrote below its header.

    Raises:
        InputError: for a file of another form.
    """
    try:
        with path.open(encoding="utf-8") as file:
            if file.readline().strip() != HEADER:
                raise InputError(f"{path}: its first line must be {HEADER}")
            rows = [[float(word) for word in line.split(",")] for line in file if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as pitch: {error}") from error
    if any(len(row) != 3 for row in rows):
        raise InputError(f"{path}: every line must hold {HEADER}")
    return F0(*np.array(rows, dtype=np.float64).reshape(-1, 3).T)
