"""Run batches in the memory that there is: halve the batch, then the chunk, and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.errors import ResourceError

Notice = Callable[[str], None]


@dataclass
class Limits:
    """What fits into memory, as far as it is known; shared by the tracks of a run.

    Attributes:
        batch: chunks at once; None is what the grid says.
        length: steps of a chunk; None is what the grid says.
    """

    batch: int | None = None
    length: int | None = None


class SparingRunner:
    """Calls a function on batches of chunks; shrinks what it calls it on when memory runs out.

    What has been shrunk stays so for all who share the limits, and is said once for each step.

    Args:
        run: `(batch, ..., length)` to `(batch, ..., length)`.
        config: the grid, for its batch and the lengths that `run` takes.
        notice: is told what was halved.
        limits: what is known to fit; its own if none.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Tensor],
        *,
        config: ChunkConfig,
        notice: Notice | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._run = run
        self._config = config
        self._limits = limits or Limits()
        self._multiple = config.multiple
        self._notice = notice or (lambda _: None)

    @property
    def _batch(self) -> int:
        return min(self._limits.batch or self._config.batch, self._config.batch)

    @property
    def _length(self) -> int:
        return self._limits.length or self._config.length

    def __call__(self, batch: Tensor) -> Tensor:
        """Run a batch, in as many parts as memory asks for.

        Raises:
            ResourceError: if one chunk of the least length does not fit.
        """
        while True:
            try:
                parts = [self._run_short(part) for part in batch.split(self._batch)]
                return parts[0] if len(parts) == 1 else torch.cat(parts)
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
                # The traceback holds the failed tensors; they must go before the next attempt.
                del error
            self._shrink()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _run_short(self, batch: Tensor) -> Tensor:
        """Run a batch in pieces of `_length` steps, each without its outer quarters."""
        steps, length = batch.shape[-1], self._length
        if steps <= length:
            return self._run(batch)
        quarter = length // 4
        starts = [*range(0, steps - length, length - 2 * quarter), steps - length]
        parts, done = [], 0
        for start in starts:
            stop = steps if start == starts[-1] else start + length - quarter
            output = self._run(batch[..., start : start + length])
            parts.append(output[..., done - start : stop - start])
            done = stop
        return torch.cat(parts, dim=-1)

    def _shrink(self) -> None:
        half = self._length // 2
        if self._batch > 1:
            self._limits.batch = self._batch // 2
            self._notice(f"out of memory: going on with batches of {self._batch}")
        elif half >= 4 and half % self._multiple == 0:
            self._limits.length = half
            self._notice(f"out of memory: going on with chunks of {half} steps")
        else:
            raise ResourceError(
                f"out of memory even with one chunk of {self._length} steps; "
                "close other programs or use --device cpu"
            )


def _out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, torch.cuda.OutOfMemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )
