"""How long the command takes before it does anything."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.process import UNMIX, measure
from benchmarks.report import machine, markdown, parser, publish
from benchmarks.songs import write_song


def main() -> None:
    given = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        song = str(write_song(Path(folder) / "song.wav", seconds=1.0))
        separate = ["separate", song, "--out", f"{folder}/out", "--overwrite"]
        words = [["--help"], ["--version"], ["models", "list"], separate]
        costs = measure([[UNMIX, *line] for line in words], repeats=5)
    names = [
        "unmix --help",
        "unmix --version",
        "unmix models list",
        "unmix separate (1 s of music)",
    ]
    rows = [[name, f"{cost.seconds:.2f} s"] for name, cost in zip(names, costs, strict=True)]
    publish("startup", f"{machine()}\n\n" + markdown(["", "wall time"], rows), write=given.write)


if __name__ == "__main__":
    main()
