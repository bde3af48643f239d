"""What pictures of long tracks need: few columns, in constant memory, and Matplotlib."""

from __future__ import annotations

import torch
from torch import Tensor

from unmixcli.errors import ResourceError

# A picture has a thousand columns or two.
_MOST = 2048


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


class Columns:
    """The largest values of equally many frames each; of more frames, the more there are.

    Args:
        most: columns; neighbours are merged while there are more.

    Attributes:
        width: frames of a column, a power of two.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self.width = 1
        self._most = most
        self._rest: Tensor | None = None
        self._done: list[Tensor] = []

    def push(self, frames: Tensor) -> None:
        """Take `(..., bins, frames)`."""
        held = frames if self._rest is None else torch.cat((self._rest, frames), dim=-1)
        whole = held.shape[-1] // self.width * self.width
        # A copy, lest few frames keep many in memory.
        self._rest = held[..., whole:].clone()
        self._done.append(_merged(held[..., :whole], self.width))
        while sum(part.shape[-1] for part in self._done) > self._most:
            self._halve(self._rest)

    def finish(self) -> Tensor:
        """The columns `(..., bins, columns)`, the last one of fewer frames.

        Raises:
            ValueError: if nothing was pushed.
        """
        if self._rest is None:
            raise ValueError("finish() before any push(): the number of bins is not known")
        last = [self._rest.amax(dim=-1, keepdim=True)] if self._rest.shape[-1] else []
        return torch.cat((*self._done, *last), dim=-1)

    def _halve(self, rest: Tensor) -> None:
        held = torch.cat(self._done, dim=-1)
        even = held.shape[-1] // 2 * 2
        # A column that has no partner waits as frames, which all have its maximum.
        odd = held[..., even:].repeat_interleave(self.width, dim=-1)
        self._rest = torch.cat((odd, rest), dim=-1)
        self._done = [_merged(held[..., :even], 2)]
        self.width *= 2


def _merged(frames: Tensor, width: int) -> Tensor:
    """The maximum of each `width` frames."""
    merged: Tensor = frames.unflatten(-1, (-1, width)).amax(dim=-1)
    return merged
