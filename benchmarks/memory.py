"""Peak memory of `unmix separate` for 1, 5 and 60 minutes of music."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.process import UNMIX, run_once
from benchmarks.report import machine, markdown, parser, publish
from benchmarks.songs import write_song

MINUTES = (1, 5, 60)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=int, nargs="+", default=list(MINUTES))
    given = options.parse_args()
    rows = []
    for minutes in given.minutes:
        with tempfile.TemporaryDirectory() as folder:
            song = str(write_song(Path(folder) / "song.wav", seconds=60.0 * minutes))
            cost = run_once([UNMIX, "separate", song, "--quiet", "--out", f"{folder}/out"])
        speed = 60 * minutes / cost.seconds
        rows.append([f"{minutes} min", f"{cost.peak_bytes / 1e6:.0f} MB", f"{speed:.1f}x"])
    text = f"spleeter-2stems, WAV to two 24-bit stems. {machine()}\n\n"
    headings = ["music", "peak memory", "real time"]
    publish("memory", text + markdown(headings, rows), write=given.write)


if __name__ == "__main__":
    main()
