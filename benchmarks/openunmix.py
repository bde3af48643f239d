"""Open-Unmix's Separator against ours with the same random weights: four targets, stereo.

Each runs in processes of its own, without and with one iteration of the Wiener filter. A second
table, of `benchmarks.openunmix_joined`, shows why the networks of the stems run one after another.
"""

from __future__ import annotations

from benchmarks.comparison import Peer, main

PROGRAMS = {
    f"{program}, {iterations} EM": f"{program}-{iterations}"
    for iterations in (0, 1)
    for program in ("openunmix", "unmix")
}
PEER = Peer(
    name="openunmix",
    module="benchmarks.peer_openunmix",
    programs=PROGRAMS,
    own={name: name.replace("openunmix", "unmix") for name in PROGRAMS},
    halves=("fp16", "bf16"),
    after="benchmarks.openunmix_joined",
)

if __name__ == "__main__":
    main(PEER, __doc__)
