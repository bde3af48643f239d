"""A long signal through a function that takes pieces: chunks, context, overlap, batches.

Chunk i sees the steps [i * advance - context, ... + length); its first and last `context` steps
are thrown away; neighbours share `overlap` steps, which are cross-faded linearly. The grid depends
on positions alone, never on the blocks in which the signal arrives, so that every way to cut a
signal into blocks runs the same chunks in the same batches.

Programs that weigh each chunk with a triangle 1, 2, .. 2, 1, add them up and divide by the sum of
weights fade linearly too, for in the `overlap` steps of two chunks their weights are k and
overlap + 1 - k; `fade="triangle"` is the same to the step.

A step is whatever the last axis counts: a frame of a spectrum or a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Segment = tuple[Tensor, Tensor]
"""Steps of the input and the function's output for them."""


@dataclass(frozen=True)
class ChunkConfig:
    """How a signal is cut; all lengths in steps.

    Attributes:
        length: steps of a chunk.
        context: steps at each end whose output is thrown away.
        overlap: steps that neighbours share and cross-fade.
        batch: chunks that run at once.
        fixed: whether the function takes only chunks of exactly `length` (the signal's ends are
            then extended with zeros) or shorter ones too.
        multiple: what a chunk's length must be a multiple of, should it have to be halved.
        ends: what a fixed chunk sees where the signal ends before it: zeros after the end, or the
            end centred, half of what is missing taken from the steps before and zeros after.
        fade: weights of the later chunk, at the middles of the `overlap` steps, (k - 1/2) / n; or
            those of triangles, k / (n + 1), where a last chunk of shared steps alone runs too.
    """

    length: int
    context: int = 0
    overlap: int = 0
    batch: int = 1
    fixed: bool = True
    multiple: int = 1
    ends: Literal["zeros", "centred"] = "zeros"
    fade: Literal["middles", "triangle"] = "middles"

    def __post_init__(self) -> None:
        """Check that chunks advance."""
        if min(self.length, self.batch, self.multiple) < 1 or min(self.context, self.overlap) < 0:
            raise ValueError(
                "length, batch and multiple must be positive, context and overlap >= 0"
            )
        if self.advance < max(1, self.overlap):
            raise ValueError(
                f"chunks of {self.length} with context {self.context} and overlap {self.overlap} "
                "leave too little: length - 2 * context must be at least 2 * overlap"
            )
        if self.length % self.multiple:
            raise ValueError(f"length {self.length} is no multiple of {self.multiple}")

    @property
    def advance(self) -> int:
        """Steps from one chunk to the next."""
        return self.length - 2 * self.context - self.overlap

    def with_overlap(self, fraction: float) -> ChunkConfig:
        """The same with this share of the kept steps cross-faded.

        Raises:
            ValueError: if `fraction` is not in [0, 0.5].
        """
        if not 0.0 <= fraction <= 0.5:
            raise ValueError(f"overlap must lie in 0..0.5, not {fraction}")
        return replace(self, overlap=int((self.length - 2 * self.context) * fraction))


class ChunkStream:
    """Pushes of any length in; pairs of input and output on the chunk grid out.

    Args:
        config: the grid.
        run: `(batch, ..., length)` to `(batch, ..., length)`; the axes between may change.
    """

    def __init__(self, config: ChunkConfig, run: Callable[[Tensor], Tensor]) -> None:
        self.config = config
        self._run = run
        self.reset()

    def reset(self) -> None:
        """Forget the signal."""
        self._pieces: list[Tensor] = []
        self._origin = 0
        self._end = 0
        self._next = 0
        self._tail: Tensor | None = None

    def push(self, steps: Tensor) -> Iterator[Segment]:
        """Yield what `steps` `(..., n)` completes, whole batches only."""
        self._pieces.append(steps)
        self._end += steps.shape[-1]
        while self._whole_chunks() >= self.config.batch:
            yield from self._run_batch(self.config.batch)

    def finish(self) -> Iterator[Segment]:
        """Yield the rest; the concatenated segments are as long as what was pushed."""
        config = self.config
        own = self._end - (config.overlap if config.fade == "middles" else 0)
        needed = max(1, -(-own // config.advance)) if self._end else 0
        while self._next < needed:
            yield from self._run_batch(min(config.batch, needed - self._next))
        if self._tail is not None and self._tail.shape[-1]:
            yield self._slice(self._next * config.advance, self._end), self._tail

    def _whole_chunks(self) -> int:
        config = self.config
        last = (self._end + config.context - config.length) // config.advance
        return last + 1 - self._next

    def _run_batch(self, count: int) -> Iterator[Segment]:
        indices = range(self._next, self._next + count)
        self._next += count
        # At the ends chunks of a function that takes any length are shorter than the others.
        for _, alike in groupby(map(self._chunk, indices), key=lambda chunk: chunk.shape[-1]):
            outputs = self._run(torch.stack(list(alike)))
            for index, output in zip(indices, outputs, strict=False):
                yield from self._keep(index, output)
            indices = indices[len(outputs) :]
        earlier = self.config.length // 2 if self._centred else 0
        self._drop_before(self._next * self.config.advance - self.config.context - earlier)

    @property
    def _centred(self) -> bool:
        return self.config.fixed and self.config.ends == "centred"

    def _window(self, index: int) -> tuple[int, int]:
        """The steps that chunk `index` sees, from and to; beyond the signal they are zeros."""
        start = index * self.config.advance - self.config.context
        stop = start + self.config.length
        if not self.config.fixed:
            return max(0, start), min(stop, self._end)
        earlier = max(0, stop - self._end) // 2 if self._centred else 0
        return start - earlier, stop - earlier

    def _chunk(self, index: int) -> Tensor:
        """The steps that chunk `index` sees."""
        start, stop = self._window(index)
        inside = self._slice(max(0, start), min(stop, self._end))
        return F.pad(inside, (max(0, -start), max(0, stop - self._end)))

    def _keep(self, index: int, output: Tensor) -> Iterator[Segment]:
        """Cut the context off, fade into the last chunk's end, hold the own end back."""
        config = self.config
        start = index * config.advance
        seen_from, _ = self._window(index)
        stop = min(start + config.advance + config.overlap, self._end)
        kept = output[..., start - seen_from : stop - seen_from]
        faded = 0
        if self._tail is not None:
            faded = min(self._tail.shape[-1], kept.shape[-1])
            # By itself: joined to the rest, all of it would be copied.
            yield self._slice(start, start + faded), self._fade(self._tail, kept[..., :faded])
        self._tail = kept[..., config.advance :].clone()
        end = min(start + config.advance, stop)
        yield self._slice(start + faded, end), kept[..., faded : config.advance]

    def _slice(self, start: int, stop: int) -> Tensor:
        if len(self._pieces) > 1:
            self._pieces = [torch.cat(self._pieces, dim=-1)]
        return self._pieces[0][..., start - self._origin : stop - self._origin]

    def _drop_before(self, position: int) -> None:
        if position > self._origin:
            self._pieces = [self._slice(position, self._end).clone()]
            self._origin = position

    def _fade(self, before: Tensor, after: Tensor) -> Tensor:
        """Cross-fade from the end of one chunk into the start of the next, maybe shorter."""
        # Symmetric about the middle, so that both weights sum to one and the order does not matter.
        steps = torch.arange(after.shape[-1], device=after.device)
        if self.config.fade == "triangle":
            weight = (steps + 1) / (self.config.overlap + 1)
        else:
            weight = (steps + 0.5) / max(1, self.config.overlap)
        before = before[..., : after.shape[-1]]
        return before + weight * (after - before)
