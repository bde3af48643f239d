"""A plain loop over chunks against ours, with one random network of the size of MDX-Net's.

The loop is that of audio-separator: transform, ONNX Runtime, inverse, one chunk after another, and
the whole song in memory. It runs with as many chunks as ours, and with its own overlap of 0.25.
The graph is in float32, as the published ones are, so there is no reduced precision.
"""

from __future__ import annotations

from benchmarks.comparison import Peer, main

PEER = Peer(
    name="mdx",
    module="benchmarks.peer_mdx",
    programs={"loop, no overlap": "loop", "loop, overlap 0.25": "overlapped", "unmix": "unmix"},
    about="stereo music, two stems",
)

if __name__ == "__main__":
    main(PEER, __doc__)
