"""Masks by torch against the same networks by ONNX Runtime: one chunk of each model, on the CPU.

    python -m benchmarks.onnx unmix-small spleeter-2stems

In turn, in one process; the fastest of so many runs counts. Masks are compared, too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.report import machine, markdown, parser, publish
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import load_model
from unmixcli.models.onnx import Graph, export_onnx
from unmixcli.models.spectral import SpectralModel

CPU = torch.device("cpu")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("models", nargs="+")
    options.add_argument("--repeats", type=int, default=8)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        rows = [row(name, Path(folder) / "net.onnx", given.repeats) for name in given.models]
    headings = ["one chunk", "torch", "ONNX Runtime", "torch / ONNX Runtime", "largest difference"]
    publish("onnx", f"{machine()}\n\n{markdown(headings, rows)}", write=given.write)


def row(name: str, path: Path, repeats: int) -> list[str]:
    """A model's line."""
    model = find_model(name)
    network = load_model(model, device=CPU)
    assert isinstance(network, SpectralModel)
    export_onnx(model, path)
    graph = Graph(path, device=CPU)
    settings = network.settings
    shape = (1, settings.channels, settings.stft.bins, settings.chunks.length)
    mix = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    spectrum = torch.complex(mix, torch.zeros_like(mix))
    masks = network.masks(spectrum, stems=settings.stems)

    def own() -> Tensor:
        return network.masks(spectrum, stems=settings.stems)

    def other() -> Tensor:
        return graph.run(mix, shape=masks.shape)

    difference = float((own() - other()).abs().max())
    ours, theirs = fastest(own, other, repeats=repeats)
    path.unlink()
    return [
        name, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ours / theirs:.2f}", f"{difference:.0e}"
    ]  # fmt: skip


def fastest(*functions: Callable[[], Tensor], repeats: int) -> list[float]:
    """Seconds of each; in turn, so that all see the same machine."""
    best = [float("inf")] * len(functions)
    for _ in range(repeats):
        for index, function in enumerate(functions):
            started = time.perf_counter()
            function()
            best[index] = min(best[index], time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()
