"""Salience as a picture, with the pitch that was found drawn over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unmixcli.errors import ResourceError
from unmixcli.pitch.f0 import Floats, Lines

# A picture has a thousand columns or two; neighbours are merged while there are more.
_MOST_COLUMNS = 2048

# What people sing, drawn where there is no salience to say more.
_LOWEST_HZ, _HIGHEST_HZ = 65.4, 1046.5


def check_plotting() -> None:
    """See that pictures can be drawn.

    Raises:
        ResourceError: without Matplotlib.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise ResourceError(
            "--plot: needs Matplotlib, which is not installed; "
            "get it by: pip install 'unmixcli[plot]'"
        ) from error


class PitchPlot:
    """Collects what is drawn: 8 bytes a voice and step, and two thousand columns of salience.

    Args:
        step_s: seconds between steps of pitch.
        frame_s: seconds between frames of salience.
        frequencies: of its bins, Hz; None where there is no salience.
    """

    def __init__(self, *, step_s: float, frame_s: float, frequencies: Floats | None = None) -> None:
        self._step_s = step_s
        self._frame_s = frame_s
        self._frequencies = frequencies
        self._lines: list[Lines] = []
        self._columns = _Columns()

    def push(self, lines: Lines, salience: npt.NDArray[np.float32] | None) -> None:
        """Take steps of pitch, and `(bins, frames)`."""
        self._lines.append(lines)
        if salience is not None:
            self._columns.push(salience)

    def write(self, path: Path) -> None:
        """Draw the picture as PNG; `path` is replaced."""
        # Not pyplot, which keeps figures of its own and looks for a screen.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12, 5), layout="constrained")
        axes = figure.subplots()
        self._draw_salience(axes)
        f0_hz = np.concatenate([part.f0_hz for part in self._lines], axis=1)
        times = np.arange(f0_hz.shape[1]) * self._step_s
        for voice in f0_hz:
            axes.plot(times, np.where(voice > 0, voice, np.nan), color="cyan", linewidth=1)
        axes.set(xlabel="s", ylabel="Hz", yscale="log", xlim=(0.0, max(times[-1:], default=1.0)))
        figure.savefig(path, format="png", dpi=120)

    def _draw_salience(self, axes: Any) -> None:
        image = self._columns.finish()
        if self._frequencies is None or not image.shape[-1]:
            axes.set_ylim(_LOWEST_HZ, _HIGHEST_HZ)
            return
        times = np.arange(image.shape[1]) * self._columns.width * self._frame_s
        axes.pcolormesh(times, self._frequencies, image, cmap="magma", vmin=0, vmax=1)


class _Columns:
    """The largest salience of equally many frames each; of more frames, the more there are."""

    def __init__(self) -> None:
        self.width = 1
        self._rest: npt.NDArray[np.float32] | None = None
        self._done: list[npt.NDArray[np.float32]] = []

    def push(self, salience: npt.NDArray[np.float32]) -> None:
        """Take `(bins, frames)`."""
        held = salience if self._rest is None else np.concatenate([self._rest, salience], axis=1)
        whole = held.shape[1] // self.width * self.width
        self._rest = held[:, whole:].copy()
        self._done.append(_merged(held[:, :whole], self.width))
        while sum(part.shape[1] for part in self._done) > _MOST_COLUMNS:
            self._halve()

    def finish(self) -> npt.NDArray[np.float32]:
        """The columns, the last one of fewer frames."""
        if self._rest is None:
            return np.zeros((0, 0), np.float32)
        last = [self._rest.max(axis=1, keepdims=True)] if self._rest.shape[1] else []
        return np.concatenate([*self._done, *last], axis=1)

    def _halve(self) -> None:
        held = np.concatenate(self._done, axis=1)
        even = held.shape[1] // 2 * 2
        assert self._rest is not None
        # A column that has no partner waits; that it is one frame now changes no maximum.
        odd = np.repeat(held[:, even:], self.width, axis=1)
        self._rest = np.concatenate([odd, self._rest], axis=1)
        self._done = [_merged(held[:, :even], 2)]
        self.width *= 2


def _merged(salience: npt.NDArray[np.float32], width: int) -> npt.NDArray[np.float32]:
    """The maximum of each `width` columns."""
    bins = salience.shape[0]
    merged: npt.NDArray[np.float32] = salience.reshape(bins, -1, width).max(axis=2)
    return merged
