"""Time one Separator on random weights: `... peer_openunmix openunmix|unmix ITERATIONS SECONDS`.

It runs once to warm up and four times for the time; the fastest counts, as whatever else the
machine does can only slow a run down. Prints JSON: seconds per second of music, and the process'
peak memory in bytes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

from unmixcli.models.adapters.openunmix import OpenUnmixMasks
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import spectral_settings
from unmixcli.networks.openunmix import OpenUnmix
from unmixcli.separation.engine import Engine
from unmixcli.separation.spectral import SpectralOptions, SpectralSeparator
from unmixcli.separation.stems import Request, plan_outputs

RATE = 44100
REPEATS = 4
SIZES = {"nb_bins": 2049, "nb_channels": 2, "hidden_size": 512, "max_bin": 1487}


def theirs(iterations: int) -> Callable[[Tensor], object]:
    """The package's Separator."""
    # It needs torchaudio for files only.
    sys.modules.setdefault("torchaudio", ModuleType("torchaudio"))
    from openunmix import model

    targets = {}
    for number, stem in enumerate(("vocals", "drums", "bass", "other")):
        torch.manual_seed(number)
        targets[stem] = model.OpenUnmix(**SIZES)
    separator = model.Separator(targets, niter=iterations)
    separator.freeze()
    return lambda mix: separator(mix[None])


def ours(iterations: int) -> Callable[[Tensor], object]:
    """The engine, as `unmix separate --model umxhq` runs it."""
    model = find_model("umxhq")
    networks = {}
    for number, stem in enumerate(model.card.stems):
        torch.manual_seed(number)
        networks[stem] = OpenUnmix(**SIZES)
    masks = OpenUnmixMasks(spectral_settings(model.card), networks).eval()
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    separator = SpectralSeparator(
        masks, stems=plan.computed, options=SpectralOptions(wiener_iterations=iterations)
    )
    engine = Engine(separator, plan=plan, sample_rate=RATE, channels=2)

    def run(mix: Tensor) -> object:
        engine.reset()
        return [stems.shape for stems in engine.stream(mix.split(65536, dim=-1))]

    return run


def timed(run: Callable[[Tensor], object], mix: Tensor) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    run(mix)
    return time.perf_counter() - started


def main() -> None:
    program, iterations, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    run = (theirs if program == "openunmix" else ours)(iterations)
    random = torch.Generator().manual_seed(0)
    mix = torch.rand((2, round(seconds * RATE)), generator=random) - 0.5
    with torch.no_grad():
        run(mix)
        elapsed = min(timed(run, mix) for _ in range(REPEATS))
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    print(json.dumps({"seconds": elapsed / seconds, "peak": peak}))


if __name__ == "__main__":
    main()
