"""A plain loop over chunks against ours, with one random mel-band Roformer.

The network is the published ones' but for its size; the loop is MSST's, of the package's class as
it is. It runs with as many chunks as ours, and with MSST's own overlap, by which each sample is
separated twice. Samples in memory to stems in memory, a process each; the fastest counts.
"""

from __future__ import annotations

from benchmarks.peers import compare, table
from benchmarks.report import machine, parser, publish


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--repeats", type=int, default=2)
    given = options.parse_args()
    words = {
        "loop, as many chunks": ["loop", str(given.seconds)],
        "loop, num_overlap = 2": ["twice", str(given.seconds)],
        "unmix": ["unmix", str(given.seconds)],
    }
    runs = compare("benchmarks.peer_roformer", words, repeats=given.repeats)
    text = f"{given.seconds:g} s of stereo music, two stems. {machine()}\n\n"
    publish("roformer", text + table(runs, own="unmix"), write=given.write)


if __name__ == "__main__":
    main()
