"""Time a program on a random MDX-Net: `... peer_mdx loop|unmix OVERLAP GRAPH SECONDS`.

It separates one chunk to warm up, then the whole. Prints JSON, see `benchmarks.peers`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.peers import engine, report
from unmixcli.models.adapters import mdx
from unmixcli.models.catalogue import Model
from unmixcli.models.load import waveform_settings

FACTS = {"primary": "vocals", "n_fft": 6144, "dim_f": 2048, "dim_t": 256, "compensate": 1.0}
N_FFT, HOP, DIM_F, DIM_T = 6144, 1024, 2048, 256
CHUNK, TRIM = HOP * (DIM_T - 1), N_FFT // 2
WIDTH, LEVELS, NARROW = 16, 5, 8


class Block(nn.Module):
    """Convolutions, and two layers over all bins added to them (Choi et al. 2020, TFC-TDF)."""

    def __init__(self, width: int, bins: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()) for _ in range(3))
        )
        self.over_bins = nn.Sequential(
            nn.Linear(bins, bins // NARROW), nn.ReLU(), nn.Linear(bins // NARROW, bins), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape, `(batch, width, frames, bins)`."""
        x = self.convolutions(x)
        return x + self.over_bins(x)


class Net(nn.Module):
    """A U-Net of such blocks, over frames and bins, as MDX-Net's (Kim et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        widths = [WIDTH * (level + 1) for level in range(LEVELS + 1)]
        pairs = list(pairwise(widths))
        self.first = nn.Conv2d(4, WIDTH, 1)
        self.inward = nn.ModuleList(Block(w, DIM_F >> n) for n, w in enumerate(widths[:-1]))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairs)
        self.middle = Block(widths[-1], DIM_F >> LEVELS)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairs)
        self.outward = nn.ModuleList(Block(w, DIM_F >> n) for n, w in enumerate(widths[:-1]))
        self.last = nn.Conv2d(WIDTH, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape, `(batch, 4, bins, frames)`."""
        x = self.first(x.transpose(-1, -2)).relu()
        carried = []
        for block, down in zip(self.inward, self.down, strict=True):
            x = block(x)
            carried.append(x)
            x = down(x).relu()
        x = self.middle(x)
        for block, up in zip(reversed(self.outward), reversed(self.up), strict=True):
            x = block(up(x).relu() * carried.pop())
        return self.last(x).transpose(-1, -2)


def write_graph(path: Path) -> None:
    """The network as ONNX, for batches of any size."""
    torch.manual_seed(0)
    batch = {0: torch.export.Dim.DYNAMIC}
    example = torch.rand(2, 4, DIM_F, DIM_T)
    program = torch.onnx.export(
        Net().eval(),
        (example,),
        input_names=["input"],
        dynamic_shapes=(batch,),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(path))


def loop(path: Path, overlap: float) -> Callable[[Tensor], object]:
    """Chunk after chunk, Hann windows over them where they overlap."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    window = torch.hann_window(N_FFT)
    step = int((1 - overlap) * CHUNK) if overlap else CHUNK - 2 * TRIM
    weight = torch.hann_window(CHUNK, periodic=False) if overlap else torch.ones(CHUNK)
    weight[:TRIM] = weight[CHUNK - TRIM :] = 0

    def one(part: Tensor) -> Tensor:
        spectrum = torch.stft(part, N_FFT, HOP, window=window, return_complex=True)
        seen = torch.view_as_real(spectrum).permute(0, 3, 1, 2).reshape(1, 4, N_FFT // 2 + 1, DIM_T)
        seen = seen[:, :, :DIM_F].clone()
        seen[:, :, :3] = 0
        given = torch.from_numpy(session.run(None, {"input": seen.numpy()})[0])
        full = torch.nn.functional.pad(given, (0, 0, 0, N_FFT // 2 + 1 - DIM_F))
        parts = full.reshape(2, 2, -1, DIM_T).permute(0, 2, 3, 1).contiguous()
        return torch.istft(torch.view_as_complex(parts), N_FFT, HOP, window=window, length=CHUNK)

    def run(mix: Tensor) -> object:
        padded = torch.nn.functional.pad(mix, (TRIM, CHUNK + TRIM))
        result, weights = torch.zeros_like(padded), torch.zeros_like(padded)
        for start in range(0, mix.shape[-1], step):
            result[:, start : start + CHUNK] += one(padded[:, start : start + CHUNK]) * weight
            weights[:, start : start + CHUNK] += weight
        vocals = (result / weights.clamp_min(1e-8))[:, TRIM : TRIM + mix.shape[-1]]
        return vocals, mix - vocals

    return run


def ours(path: Path) -> Callable[[Tensor], object]:
    """The card that `unmix models add` would make, were the network in its table."""
    known = {mdx.tail_md5(path): FACTS}
    with mock.patch.object(mdx, "_table", return_value=known):
        card = mdx.card_for(path)
    network = mdx.build(card, {"all": path}, waveform_settings(card))
    return engine(Model(card, path.parent), network)


def main() -> None:
    program, overlap, path, seconds = sys.argv[1:]
    run = loop(Path(path), float(overlap)) if program == "loop" else ours(Path(path))
    report(run, seconds=float(seconds), warm_up=CHUNK)


if __name__ == "__main__":
    main()
