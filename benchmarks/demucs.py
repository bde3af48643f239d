"""demucs.apply against ours with the same random weights of htdemucs: four stems, stereo.

Each runs in processes of its own, after some seconds that warm it up; see `benchmarks.comparison`.
"""

from __future__ import annotations

from benchmarks.comparison import Peer, main

PEER = Peer(
    name="demucs",
    module="benchmarks.peer_demucs",
    programs={"demucs": "demucs", "unmix": "unmix"},
    halves=("fp16", "bf16"),
)

if __name__ == "__main__":
    main(PEER, __doc__)
