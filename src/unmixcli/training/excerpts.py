"""Excerpts: pieces of packed tracks, drawn by seeds alone.

A batch is a function of the recipe's seed and the step: nothing is remembered from one batch to
the next, so a training that goes on from a checkpoint sees what it would have seen, whatever
prepares the batches. Two kinds of excerpt:

- *of one song*: one piece of one track, all its targets and the rest of its mix;
- *remixed*: each stem of the model from a track and a place of its own, among the tracks that have
  the stem by itself. Every stem is known there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unmixcli.errors import InputError
from unmixcli.training.pack import PackedTrack
from unmixcli.training.pitch import VOICE, PitchGrid, PitchLabels, unknown

# Below it (-60 dBFS) a second counts as silent.
_SOUNDS = 1e-3

Augment = Callable[[Tensor, np.random.Generator], Tensor]
"""`(rows, channels, samples)` of one excerpt to as many rows of at least that length."""


@dataclass(frozen=True)
class Batch:
    """Excerpts that make one gradient.

    Attributes:
        mix: `(batch, channels, samples)`.
        targets: `(batch, stems, channels, samples)`; unused rows are zero.
        groups: `(batch, stems, stems)`, 1 where a stem of the model is part of the target.
        known: `(batch, stems)`, whether there is such a target.
        weights: `(batch,)` of the loss.
        is_plain: whether every target is the stem of its row.
        salience: of the voice's pitch, `(batch, bins, frames)`, NaN in frames where nobody knows
            it; None where nobody wants to.
    """

    mix: Tensor
    targets: Tensor
    groups: Tensor
    known: Tensor
    weights: Tensor
    is_plain: bool = False
    salience: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        tensors = (self.mix, self.targets, self.groups, self.known, self.weights)
        mix, targets, groups, known, weights = (
            tensor.to(device, non_blocking=True) for tensor in tensors
        )
        salience = None if self.salience is None else self.salience.to(device, non_blocking=True)
        return Batch(mix, targets, groups, known, weights, self.is_plain, salience)


@dataclass(frozen=True)
class Drawing:
    """How excerpts are drawn.

    Attributes:
        samples: of an excerpt.
        batch: excerpts at once.
        remix: share of remixed ones.
        active: share of draws that look for a place where the stem sounds.
        seed: of the recipe.
        absent: share of excerpts in which one of the targets is silent.
        spare: samples that augmentation may need beyond an excerpt.
        first: number of the batch's first excerpt among those of the step.
        grid: of the pitch that batches hold; pieces then begin at its frames. None leaves pitch
            out.
    """

    samples: int
    batch: int
    remix: float
    active: float
    seed: int
    absent: float = 0.0
    spare: int = 0
    first: int = 0
    grid: PitchGrid | None = None


class ExcerptSource:
    """Draws batches from packed tracks.

    Args:
        tracks: at least one.
        stems: of the model, in its order.
        drawing: how.
        augment: changes the rows of an excerpt, before they are summed to its mix.

    Raises:
        InputError: if stems can only be remixed from tracks that are not there.
    """

    def __init__(
        self,
        tracks: Sequence[PackedTrack],
        *,
        stems: Sequence[str],
        drawing: Drawing,
        augment: Augment | None = None,
    ) -> None:
        self.stems = tuple(stems)
        self.drawing = drawing
        self._tracks = list(tracks)
        self._augment = augment
        several = [track for track in tracks if len(track.audio) > 1]
        self._songs = _Weighted(several or list(tracks))
        self._solos = {stem: _solos(tracks, stem) for stem in self.stems}
        missing = [stem for stem, found in self._solos.items() if not found.tracks]
        self._can_remix = not missing
        if drawing.remix == 1 and missing:
            raise InputError(f"no track has {missing[0]} by itself; excerpts.remix must be below 1")

    def batch(self, step: int) -> Batch:
        """The excerpts of a step."""
        numbers = range(self.drawing.first, self.drawing.first + self.drawing.batch)
        drawn = [self._excerpt(step, number) for number in numbers]
        mix, targets, groups, known, weights, *pitch = map(torch.stack, zip(*drawn, strict=True))
        # A row without a target has no say, whatever stands in it.
        is_plain = torch.equal(groups, torch.eye(len(self.stems)) * known[..., None])
        return Batch(mix, targets, groups, known, weights, is_plain, *pitch)

    def share(self, rank: int) -> ExcerptSource:
        """The same for one of several devices: its own part of the excerpts of each step."""
        shared = copy.copy(self)
        shared.drawing = replace(self.drawing, first=rank * self.drawing.batch)
        return shared

    def batches(self, steps: Sequence[int], *, workers: int) -> Generator[Batch, None, None]:
        """The batches of steps in order, prepared ahead in threads."""
        with ThreadPoolExecutor(workers) as pool:
            ahead: list[Future[Batch]] = []
            waiting = iter(steps)
            try:
                for step in waiting:
                    ahead.append(pool.submit(self.batch, step))
                    if len(ahead) > 2 * workers:
                        yield ahead.pop(0).result()
                while ahead:
                    yield ahead.pop(0).result()
            finally:
                for future in ahead:
                    future.cancel()

    def _excerpt(self, step: int, index: int) -> tuple[Tensor, ...]:
        random = np.random.default_rng((self.drawing.seed, step, index))
        remixed = self._can_remix and random.random() < self.drawing.remix
        drawn = self._remixed(random) if remixed else self._of_one_song(random)
        # Nothing is drawn for a share of 0, so that seeds mean what they meant without it.
        if self.drawing.absent and random.random() < self.drawing.absent:
            drawn = self._without_one(drawn, random)
        audio = drawn.audio
        if self._augment is not None:
            audio = self._augment(audio, random)
        audio = _as_long(audio, self.drawing.samples)
        return (*self._laid_out(drawn.groups, audio, drawn.weight), *drawn.salience)

    def _of_one_song(self, random: np.random.Generator) -> _Rows:
        track = self._songs.draw(random)
        row = int(random.integers(len(track.targets)))
        start = self._place(track, row, random)
        groups = [tuple(self.stems.index(stem) for stem in names) for names in track.targets]
        audio = self._cut(track, slice(None), start)
        return _Rows(groups, audio, track.loss_weight, self._salience(track, start))

    def _remixed(self, random: np.random.Generator) -> _Rows:
        rows, weights, salience = [], [], []
        for stem in self.stems:
            track = self._solos[stem].draw(random)
            row = track.targets.index((stem,))
            start = self._place(track, row, random)
            rows.append(self._cut(track, slice(row, row + 1), start))
            weights.append(track.loss_weight)
            salience += self._salience(track, start) if stem == VOICE else []
        groups: list[tuple[int, ...]] = [(i,) for i in range(len(rows))]
        return _Rows(groups, torch.cat(rows), float(np.mean(weights)), salience)

    def _without_one(self, drawn: _Rows, random: np.random.Generator) -> _Rows:
        row = int(random.integers(len(drawn.groups)))
        audio = drawn.audio.clone()
        audio[row] = 0
        salience = drawn.salience
        if VOICE in (self.stems[index] for index in drawn.groups[row]):
            salience = [torch.zeros_like(part) for part in salience]
        return replace(drawn, audio=audio, salience=salience)

    def _salience(self, track: PackedTrack, start: int) -> list[Tensor]:
        """That of the piece, if there is a grid: `(bins, frames)`."""
        grid = self.drawing.grid
        if grid is None:
            return []
        frames = grid.frames(self.drawing.samples)
        if track.pitch is None:
            return [unknown(grid, frames)]
        return [track.pitch.salience(grid, first=start // grid.hop_samples, frames=frames)]

    def _place(self, track: PackedTrack, row: int, random: np.random.Generator) -> int:
        """Where a piece begins: at random, mostly so that a row sounds in its middle."""
        levels = track.levels[row]
        sounding = np.flatnonzero(levels > _SOUNDS)
        if random.random() < self.drawing.active and len(sounding):
            piece = track.samples / len(levels)
            middle = (random.choice(sounding) + random.random()) * piece
            start = int(middle - self._length * random.random())
        else:
            start = int(random.integers(max(1, track.samples - self._length + 1)))
        return _on_frame(max(0, min(start, track.samples - self._length)), self.drawing.grid)

    @property
    def _length(self) -> int:
        return self.drawing.samples + self.drawing.spare

    def _cut(self, track: PackedTrack, rows: slice, start: int) -> Tensor:
        cut = track.audio[rows, :, start : start + self._length]
        audio = cut if isinstance(cut, Tensor) else torch.from_numpy(np.array(cut))
        return _as_long(audio.float(), self._length)

    def _laid_out(
        self, groups: Sequence[tuple[int, ...]], audio: Tensor, weight: float
    ) -> tuple[Tensor, ...]:
        count = len(self.stems)
        targets = audio.new_zeros((count, *audio.shape[1:]))
        targets[: len(groups)] = audio[: len(groups)]
        matrix, known = torch.zeros(count, count), torch.zeros(count, dtype=torch.bool)
        for row, members in enumerate(groups):
            matrix[row, list(members)] = 1.0
            known[row] = True
        return audio.sum(dim=0), targets, matrix, known, torch.tensor(weight)


def _as_long(audio: Tensor, samples: int) -> Tensor:
    """Cut, or followed by silence."""
    return F.pad(audio[..., :samples], (0, max(0, samples - audio.shape[-1])))


def _on_frame(start: int, grid: PitchGrid | None) -> int:
    """The place itself, or that of the frame before it."""
    return start if grid is None else start - start % grid.hop_samples


@dataclass(frozen=True)
class _Rows:
    """What was drawn: rows with the stems in each, the weight, salience if it is wanted."""

    groups: list[tuple[int, ...]]
    audio: Tensor
    weight: float
    salience: list[Tensor]


@dataclass(frozen=True)
class _Weighted:
    """Tracks, drawn by their weights."""

    tracks: list[PackedTrack]

    def draw(self, random: np.random.Generator) -> PackedTrack:
        weights = np.array([track.weight for track in self.tracks])
        return self.tracks[int(random.choice(len(weights), p=weights / weights.sum()))]


def _solos(tracks: Sequence[PackedTrack], stem: str) -> _Weighted:
    return _Weighted([track for track in tracks if (stem,) in track.targets])


def validation_batches(
    tracks: Sequence[PackedTrack],
    *,
    stems: Sequence[str],
    samples: int,
    grid: PitchGrid | None = None,
) -> Iterator[tuple[str, Batch]]:
    """One batch of one excerpt a track: the piece in which all rows together are loudest."""
    drawing = Drawing(samples, batch=1, remix=0.0, active=0.0, seed=0, grid=grid)
    for track in tracks:
        loudest = _on_frame(_loudest(track, samples), grid)
        piece = replace(
            track,
            audio=track.audio[..., loudest : loudest + samples],
            levels=np.zeros_like(track.levels),
            pitch=_from(track.pitch, loudest, grid),
        )
        yield track.name, ExcerptSource([piece], stems=stems, drawing=drawing).batch(0)


def _from(pitch: PitchLabels | None, start: int, grid: PitchGrid | None) -> PitchLabels | None:
    """Labels of what follows a place."""
    if pitch is None or grid is None:
        return None
    return pitch.from_frame(start // grid.hop_samples)


def _loudest(track: PackedTrack, samples: int) -> int:
    power = np.square(track.levels).sum(axis=0)
    pieces = max(1, round(samples * len(power) / max(1, track.samples)))
    if pieces >= len(power):
        return 0
    sums = np.convolve(power, np.ones(pieces), mode="valid")
    start = int(np.argmax(sums)) * track.samples // len(power)
    return max(0, min(start, track.samples - samples))
