"""Spectrograms of stems and of their sum as a picture, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmixcli.audio.read import open_audio
from unmixcli.dsp.stft import STFTConfig, STFTStream
from unmixcli.errors import UsageError
from unmixcli.finished import finished_file

TRANSFORM = STFTConfig(n_fft=2048, hop_samples=512)

# A picture has a thousand columns or two; neighbours are merged while there are more.
_MOST_COLUMNS = 2048

# Below the loudest bin of the sum, dB.
_RANGE_DB = 80.0

Image = NDArray[np.float32]


def check_plotting() -> None:
    """See that pictures can be drawn.

    Raises:
        UsageError: without Matplotlib.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            "--plot: needs Matplotlib, which is not installed; "
            "get it by: pip install 'unmixcli[plot]'"
        ) from error


def plot_spectrograms(stems: Mapping[str, Path], target: Path, *, total: str = "mix") -> None:
    """Draw the spectrograms of stems below that of their sum, as PNG.

    Args:
        stems: files of one rate and length, by name.
        target: is replaced.
        total: what their sum is called; not drawn for a single stem.

    Raises:
        InputError: for files that cannot be read.
        ResourceError: if the picture cannot be written.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path)) for path in stems.values()]
        rate = readers[0].info.sample_rate
        blocks = zip(*(reader.blocks() for reader in readers), strict=False)
        images, duration_s = _images((_mono(block) for block in blocks), rate=rate)
    titles = [total, *stems] if len(stems) > 1 else list(stems)
    figure = _figure(images[-len(titles) :], titles, extent=(0.0, duration_s, 0.0, rate / 2000))
    with finished_file(target) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _mono(blocks: Sequence[NDArray[np.float32]]) -> Tensor:
    """The sum and each stem, `(1 + stems, samples)`."""
    shortest = min(block.shape[-1] for block in blocks)
    stems = torch.stack([torch.from_numpy(block[:, :shortest]).mean(dim=0) for block in blocks])
    return torch.cat((stems.sum(dim=0, keepdim=True), stems))


def _images(blocks: Iterator[Tensor], *, rate: int) -> tuple[Image, float]:
    """Levels in dB against the loudest bin, `(signals, bins, columns)`, and the duration."""
    stream, columns, step = STFTStream(TRANSFORM), _Columns(), 0
    for block in blocks:
        step += block.shape[-1]
        columns.push(stream.push(block).abs())
    columns.push(stream.finish().abs())
    peaks = columns.finish()
    level = 20 * torch.log10(peaks / peaks.max().clamp_min(1e-20) + 1e-10)
    return level.clamp_min(-_RANGE_DB).numpy(), step / rate


class _Columns:
    """The largest magnitudes of equally many frames each; of more frames, the more there are."""

    def __init__(self) -> None:
        self._width = 1
        self._waiting: list[Tensor] = []
        self._done: list[Tensor] = []

    def push(self, frames: Tensor) -> None:
        """Take `(signals, bins, frames)`."""
        together = torch.cat((*self._waiting, frames), dim=-1)
        whole = together.shape[-1] // self._width * self._width
        self._waiting = [together[..., whole:]]
        self._done.append(together[..., :whole].unflatten(-1, (-1, self._width)).amax(dim=-1))
        while sum(part.shape[-1] for part in self._done) > _MOST_COLUMNS:
            self._merge()

    def finish(self) -> Tensor:
        """The columns, the last one of fewer frames."""
        rest = self._waiting[0]
        last = [rest.amax(dim=-1, keepdim=True)] if rest.shape[-1] else []
        return torch.cat((*self._done, *last), dim=-1)

    def _merge(self) -> None:
        together = torch.cat(self._done, dim=-1)
        even = together.shape[-1] // 2 * 2
        odd = together[..., even:]
        self._done = [together[..., :even].unflatten(-1, (-1, 2)).amax(dim=-1)]
        self._waiting = [torch.cat((odd, self._waiting[0]), dim=-1)]
        self._width *= 2


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
