"""Spectrograms of stems and of their sum as a picture, drawn from blocks in constant memory.

What is here is what a batch takes as `beside`: it sees the stems of an engine block by block, and
its picture is finished with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmixcli.audio.blocks import Block
from unmixcli.audio.write import StemReport
from unmixcli.dsp.pictures import Columns, check_plotting
from unmixcli.dsp.stft import STFTConfig, STFTStream
from unmixcli.finished import finished_file
from unmixcli.separation.engine import Engine

TRANSFORM = STFTConfig(n_fft=2048, hop_samples=512)

# Below the loudest bin of the sum, dB.
_RANGE_DB = 80.0

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Spectrograms:
    """A picture for each track.

    Attributes:
        total: what the sum of the stems is called; not drawn for a single stem.
        name: of the file among the outputs.

    Raises:
        ResourceError: without Matplotlib.
    """

    total: str = "mix"
    name: str = "spectrograms"

    def __post_init__(self) -> None:
        """See that pictures can be drawn."""
        check_plotting()

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes the file."""
        return {"total": self.total}

    @contextmanager
    def track(self, path: Path, *, engine: Engine) -> Iterator[SpectrogramsTrack]:
        """The picture of one track; the file has its name when the context ends well.

        Args:
            path: of the file; is replaced.
            engine: of the track.

        Raises:
            ResourceError: if the folder or the disk refuse.
        """
        with finished_file(path) as temporary:
            yield SpectrogramsTrack(path, temporary, rate=engine.sample_rate, total=self.total)


class SpectrogramsTrack:
    """The picture of the stems of one track.

    Args:
        path: of the finished file.
        temporary: where it is drawn.
        rate: of the stems, Hz.
        total: what their sum is called.
    """

    def __init__(self, path: Path, temporary: Path, *, rate: int, total: str) -> None:
        self._path = path
        self._temporary = temporary
        self._rate = rate
        self._total = total
        self._stems: tuple[str, ...] = ()
        self._stream = STFTStream(TRANSFORM)
        self._columns = Columns()
        self._samples = 0
        self._peak = 0.0

    def write(self, stems: Mapping[str, Block]) -> None:
        """Take a block `(channels, samples)` of every output."""
        self._stems = tuple(stems)
        blocks = torch.stack([torch.from_numpy(block) for block in stems.values()])
        self._samples += blocks.shape[-1]
        self._peak = max(self._peak, float(blocks.abs().max())) if blocks.numel() else self._peak
        self._columns.push(self._stream.push(_with_sum(blocks.mean(dim=1))).abs())

    def finish(self) -> StemReport:
        """Draw the picture: `samples` and `peak` are those of the stems, the peak of the loudest.

        Raises:
            OSError: if the disk refuses.
        """
        self._columns.push(self._stream.finish().abs())
        titles = [self._total, *self._stems] if len(self._stems) > 1 else list(self._stems)
        images = levels(self._columns.finish())[-len(titles) :]
        duration_s, highest_khz = self._samples / self._rate, self._rate / 2000
        figure = _figure(images, titles, extent=(0.0, duration_s, 0.0, highest_khz))
        figure.savefig(self._temporary, format="png", dpi=120)
        return StemReport(self._path, self._samples, self._peak, silent=self._peak == 0)


def levels(magnitudes: Tensor) -> Image:
    """Levels in dB against the loudest bin of all, -80 at least, in the shape of `magnitudes`."""
    level = 20 * torch.log10(magnitudes / magnitudes.max().clamp_min(1e-20) + 1e-10)
    image: Image = level.clamp_min(-_RANGE_DB).numpy()
    return image


def _with_sum(stems: Tensor) -> Tensor:
    """The sum and each stem: `(stems, samples)` to `(1 + stems, samples)`."""
    return torch.cat((stems.sum(dim=0, keepdim=True), stems))


def _figure(
    images: Image, titles: Sequence[str], *, extent: tuple[float, float, float, float]
) -> Any:
    # Not pyplot, which keeps figures of its own and looks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 2.5 * len(titles)), layout="constrained")
    for image, title, axes in zip(
        images, titles, figure.subplots(len(titles), squeeze=False)[:, 0], strict=True
    ):
        axes.imshow(
            image, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-_RANGE_DB,
            vmax=0,
        )  # fmt: skip
        axes.set(title=title, ylabel="kHz")
    axes.set(xlabel="s")
    return figure
