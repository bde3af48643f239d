"""Time a program on a random MDX-Net: `... peer_mdx loop|overlapped|unmix FOLDER TASK`.

The loop has as many chunks as ours, or overlaps of 0.25. Prints the JSON of `benchmarks.task.Run`.
The folder holds the graph, which `... peer_mdx graph FOLDER` writes where it is not there.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks import child
from benchmarks.child import Program, report
from benchmarks.task import Task
from unmixcli.models.adapters import mdx
from unmixcli.models.catalogue import Model
from unmixcli.models.load import waveform_settings
from unmixcli.models.weights import tail_md5

FACTS = {"primary": "vocals", "n_fft": 6144, "dim_f": 2048, "dim_t": 256, "compensate": 1.0}
N_FFT, HOP, DIM_F, DIM_T = 6144, 1024, 2048, 256
CHUNK, TRIM = HOP * (DIM_T - 1), N_FFT // 2
WIDTH, LEVELS, NARROW = 16, 5, 8
OVERLAPS = {"loop": 0.0, "overlapped": 0.25}
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


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


class Loop:
    """Chunk after chunk, Hann windows over them where they overlap.

    Args:
        path: the graph.
        overlap: share of a chunk; 0 lays chunks edge to edge, but for what is trimmed.
        device: where the transforms and the network run.

    Raises:
        RuntimeError: if ONNX Runtime does not run there.
    """

    def __init__(self, path: Path, *, overlap: float, device: str) -> None:
        import onnxruntime

        provider = PROVIDERS[device]
        self._session = onnxruntime.InferenceSession(str(path), providers=[provider])
        if self._session.get_providers()[0] != provider:
            raise RuntimeError(f"ONNX Runtime has no {provider} here")
        self._device = device
        self._window = torch.hann_window(N_FFT, device=device)
        self._step = int((1 - overlap) * CHUNK) if overlap else CHUNK - 2 * TRIM
        self._weight = torch.hann_window(CHUNK, periodic=False) if overlap else torch.ones(CHUNK)
        self._weight[:TRIM] = self._weight[CHUNK - TRIM :] = 0

    def __call__(self, mix: Tensor) -> Tensor:
        """Separate `(2, samples)` into `(2, 2, samples)`."""
        padded = torch.nn.functional.pad(mix, (TRIM, CHUNK + TRIM))
        result, weights = torch.zeros_like(padded), torch.zeros_like(padded)
        for start in range(0, mix.shape[-1], self._step):
            part = self._chunk(padded[:, start : start + CHUNK].to(self._device)).cpu()
            result[:, start : start + CHUNK] += part * self._weight
            weights[:, start : start + CHUNK] += self._weight
        vocals = (result / weights.clamp_min(1e-8))[:, TRIM : TRIM + mix.shape[-1]]
        return torch.stack((vocals, mix - vocals))

    def _chunk(self, part: Tensor) -> Tensor:
        bins = N_FFT // 2 + 1
        spectrum = torch.stft(part, N_FFT, HOP, window=self._window, return_complex=True)
        seen = torch.view_as_real(spectrum).permute(0, 3, 1, 2).reshape(1, 4, bins, DIM_T)
        seen = seen[:, :, :DIM_F].clone()
        seen[:, :, :3] = 0
        given = torch.from_numpy(self._session.run(None, {"input": seen.cpu().numpy()})[0])
        full = torch.nn.functional.pad(given.to(self._device), (0, 0, 0, bins - DIM_F))
        parts = full.reshape(2, 2, -1, DIM_T).permute(0, 2, 3, 1).contiguous()
        spectrum = torch.view_as_complex(parts)
        return torch.istft(spectrum, N_FFT, HOP, window=self._window, length=CHUNK)


def theirs(task: Task, *, path: Path, overlap: float) -> Program:
    """The loop of audio-separator."""
    return child.theirs(Loop(path, overlap=overlap, device=task.device), task=task)


def ours(task: Task, *, path: Path) -> Program:
    """The card that `unmix models add` would make, were the network in its table."""
    known = {tail_md5(path): FACTS}
    with mock.patch.object(mdx, "_table", return_value=known):
        card = mdx.card_for(path)
    network = mdx.build(card, {"all": path}, waveform_settings(card))
    return child.ours(Model(card, path.parent), network, task=task)


def main() -> None:
    """Do the task, or write the graph."""
    word, path = sys.argv[1], Path(sys.argv[2]) / "net.onnx"
    if word == "graph":
        write_graph(path)
        return
    if not path.exists():
        # By another process, whose memory does not count here.
        again = [sys.executable, "-m", "benchmarks.peer_mdx", "graph", str(path.parent)]
        subprocess.run(again, check=True, stdout=subprocess.DEVNULL)
    if word == "unmix":
        builder = partial(ours, path=path)
    else:
        builder = partial(theirs, path=path, overlap=OVERLAPS[word])
    report(builder, Task.from_json(sys.argv[3]), by_onnx=True)


if __name__ == "__main__":
    main()
