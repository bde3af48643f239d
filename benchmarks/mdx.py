"""A plain loop over chunks against ours, with one random network of the size of MDX-Net's.

The loop is that of audio-separator: transform, ONNX Runtime, inverse, one chunk after another, and
the whole song in memory. It runs with as many chunks as ours, and with its own overlap of 0.25.
Samples in memory to stems in memory, a process each; the fastest counts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.peer_mdx import write_graph
from benchmarks.peers import compare, table
from benchmarks.report import machine, parser, publish


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--repeats", type=int, default=2)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        write_graph(path)
        words = {
            "loop, no overlap": ["loop", "0", str(path), str(given.seconds)],
            "loop, overlap 0.25": ["loop", "0.25", str(path), str(given.seconds)],
            "unmix": ["unmix", "0", str(path), str(given.seconds)],
        }
        runs = compare("benchmarks.peer_mdx", words, repeats=given.repeats)
    text = f"{given.seconds:g} s of stereo music, two stems. {machine()}\n\n"
    publish("mdx", text + table(runs, own="unmix"), write=given.write)


if __name__ == "__main__":
    main()
