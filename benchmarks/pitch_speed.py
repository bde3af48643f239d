"""How long `unmix pitch` takes and how much memory it holds, by method: whole processes.

python -m benchmarks.pitch_speed --write
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import UNMIX, Cost, measure
from benchmarks.report import machine, markdown, parser, publish
from benchmarks.songs import write_song
from unmixcli.errors import UsageError
from unmixcli.models.catalogue import find_model

JOINT, TEACHER = "vocal-pitch", "deep-salience-vocal"
# Times real time, on two cores.
AIMED_AT = 10


@dataclass(frozen=True)
class Method:
    """A row: the words behind `unmix pitch song.wav`, and the model that must be installed."""

    words: tuple[str, ...]
    model: str | None = None


METHODS = (
    Method(("--model", JOINT), JOINT),
    Method(("--model", JOINT, "--viterbi", "--polyphonic"), JOINT),
    Method(("--model", TEACHER), TEACHER),
    Method(("--model", "swiftf0", "--stem", "vocals")),
    Method(("--model", "pyin")),
)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=1.0, help="length of the song")
    options.add_argument("--repeats", type=int, default=3, help="of which the median counts")
    given = options.parse_args()
    methods = [method for method in METHODS if is_here(method)]
    with tempfile.TemporaryDirectory() as folder:
        song = write_song(Path(folder) / "song.wav", seconds=60 * given.minutes)
        commands = [command(method, song) for method in methods]
        costs = measure(commands, repeats=given.repeats)
    text = table(methods, costs, minutes=given.minutes)
    publish("pitch_speed", f"{machine()}\n\n{text}", write=given.write)


def is_here(method: Method) -> bool:
    """Whether its model is installed."""
    try:
        return method.model is None or find_model(method.model).installed
    except UsageError:
        return False


def command(method: Method, song: Path) -> list[str]:
    """The real command, on a song that may have been done before."""
    out = str(song.parent / "pitch")
    return [UNMIX, "pitch", str(song), *method.words, "--out", out, "--overwrite", "--quiet"]


def is_slow(cost: Cost, minutes: float) -> bool:
    """Whether it misses the aim."""
    return 60 * minutes < AIMED_AT * cost.seconds


def table(methods: Sequence[Method], costs: Sequence[Cost], *, minutes: float) -> str:
    """Seconds a minute of music, times real time, memory; then what is not here, or too slow."""
    rows = [
        [
            f"`{' '.join(method.words)}`",
            f"{cost.seconds / minutes:.1f} s",
            f"{60 * minutes / cost.seconds:.1f}x",
            f"{cost.peak_bytes / 1e6:.0f} MB",
        ]
        for method, cost in zip(methods, costs, strict=True)
    ]
    headings = ["`unmix pitch song.wav`", "a minute of music", "real time", "peak memory"]
    slow = [row[0] for row, cost in zip(rows, costs, strict=True) if is_slow(cost, minutes)]
    absent = sorted({each.model for each in METHODS if each not in methods and each.model})
    told = f"Slower than {AIMED_AT} times real time, the aim: {', '.join(slow) or 'none'}."
    if absent:
        told += f" Not installed, so left out: {', '.join(absent)}."
    return f"{markdown(headings, rows)}\n{told}"


if __name__ == "__main__":
    main()
