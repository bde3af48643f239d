"""A plain loop over chunks against ours, with one random mel-band Roformer.

The network is the published ones' but for its size; the loop is MSST's, of the package's class as
it is. It runs with as many chunks as ours, and with MSST's own overlap, by which each sample is
separated twice.
"""

from __future__ import annotations

from benchmarks.comparison import Peer, main

PEER = Peer(
    name="roformer",
    module="benchmarks.peer_roformer",
    programs={"loop, as many chunks": "loop", "loop, num_overlap = 2": "twice", "unmix": "unmix"},
    about="stereo music, two stems",
    halves=("fp16", "bf16"),
)

if __name__ == "__main__":
    main(PEER, __doc__)
