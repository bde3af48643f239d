"""All comparisons with other programs on the same networks: one command, one run, all tables.

    python -m benchmarks.peers --minutes 1 5 60 --songs 20 --song-seconds 30 --write

Finished runs are kept beside the docs: a command that was interrupted goes on when it is typed
again. Each comparison alone: `python -m benchmarks.demucs`, or `--only demucs`.
"""

from __future__ import annotations

from benchmarks import demucs, mdx, openunmix, roformer, spleeter
from benchmarks.comparison import compare, options_of

PEERS = {module.PEER.name: module.PEER for module in (openunmix, spleeter, mdx, demucs, roformer)}


def main() -> None:
    """Measure those asked for."""
    options = options_of(__doc__)
    options.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS))
    given = options.parse_args()
    compare([PEERS[name] for name in given.only], given)


if __name__ == "__main__":
    main()
