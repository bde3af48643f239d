"""Time one program on random weights of htdemucs: `... peer_demucs demucs|unmix SECONDS`.

It separates one chunk to warm up, then the whole. Prints JSON: seconds per second of music, and
the process' peak memory in bytes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction

import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs
from torch import Tensor, nn

from unmixcli.models.adapters.demucs import assemble
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import waveform_settings
from unmixcli.separation.engine import Engine
from unmixcli.separation.stems import Request, plan_outputs
from unmixcli.separation.waveform import WaveformSeparator

RATE = 44100
CHUNK_S = Fraction(39, 5)


def network() -> nn.Module:
    """The sizes of the published htdemucs."""
    torch.manual_seed(0)
    sources = ["drums", "bass", "other", "vocals"]
    return HTDemucs(sources, bottom_channels=512, segment=CHUNK_S).eval().requires_grad_(False)


def theirs() -> Callable[[Tensor], object]:
    """The package's own way through a track."""
    model = network()
    return lambda mix: apply_model(model, mix[None], shifts=0)


def ours() -> Callable[[Tensor], object]:
    """The engine, as `unmix separate --model htdemucs` runs it."""
    model = find_model("htdemucs")
    stems = assemble({"all": network()}, waveform_settings(model.card), weights={})
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    separator = WaveformSeparator(stems, stems=plan.computed)
    engine = Engine(separator, plan=plan, sample_rate=RATE, channels=2)

    def run(mix: Tensor) -> object:
        engine.reset()
        return [stems.shape for stems in engine.stream(mix.split(65536, dim=-1))]

    return run


def main() -> None:
    program, seconds = sys.argv[1], float(sys.argv[2])
    run = {"demucs": theirs, "unmix": ours}[program]()
    random = torch.Generator().manual_seed(0)
    mix = torch.rand((2, round(seconds * RATE)), generator=random) - 0.5
    with torch.no_grad():
        run(mix[:, : int(CHUNK_S * RATE)])
        started = time.perf_counter()
        run(mix)
        elapsed = time.perf_counter() - started
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    print(json.dumps({"seconds": elapsed / seconds, "peak": peak}))


if __name__ == "__main__":
    main()
