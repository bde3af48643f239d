"""Samples to the device and stems back, without the host waiting for the device.

On CUDA copies go through pinned memory beside the computation, and stems are handed on one push
late: while the device works on a chunk, the host resamples, sums and encodes the one before it.
Elsewhere tensors pass straight through.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def upload(block: Tensor, device: torch.device) -> Tensor:
    """Copy a block to the device."""
    if device.type != "cuda":
        return block.to(device)
    return block.pin_memory().to(device, non_blocking=True)


class Downloads:
    """Stems from the device in; the same on the host out, in order."""

    def __init__(self) -> None:
        self._waiting: tuple[Tensor, torch.cuda.Event] | None = None

    def push(self, stems: Tensor) -> Iterator[Tensor]:
        """Begin to copy `stems`; yield what has arrived meanwhile."""
        if stems.device.type != "cuda":
            yield stems.cpu()
            return
        if not stems.shape[-1]:
            return
        host = torch.empty(stems.shape, dtype=stems.dtype, pin_memory=True)
        host.copy_(stems, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        yield from self.finish()
        self._waiting = (host, event)

    def finish(self) -> Iterator[Tensor]:
        """Yield what is still on its way."""
        if self._waiting is not None:
            host, event = self._waiting
            self._waiting = None
            event.synchronize()
            yield host
