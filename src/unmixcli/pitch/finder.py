"""A track in blocks, its pitch in steps: separated first if that is wanted, then tracked.

Blocks of any length give the same to the bit: separation and tracking see the track on grids of
their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unmixcli.audio.blocks import Block, Reblock
from unmixcli.audio.resample import Resampler
from unmixcli.pitch.decode import Decoder
from unmixcli.pitch.f0 import Floats, Lines, join_lines
from unmixcli.pitch.runs import LongRuns
from unmixcli.pitch.steps import Steps, step_count
from unmixcli.pitch.stream import SalienceStream
from unmixcli.pitch.trackers import Tracker
from unmixcli.separation.engine import Engine

Salience = npt.NDArray[np.float32]

_GRID_SAMPLES = 1 << 15

SHORTEST_RUN_S = 0.04
"""Of voiced frames, in s; 46 or 48 ms in frames of 12 or 16 ms."""


@dataclass(frozen=True)
class Frames:
    """What a method has found, in frames of its own.

    Attributes:
        f0: of the one voice, or of the strongest.
        voices: of several, if they were asked for.
        salience: `(bins, frames)`, if it was asked for.
        stem: `(channels, samples)` at the method's rate, if it gives one.
    """

    f0: Lines
    voices: Lines | None = None
    salience: Salience | None = None
    stem: Block | None = None


class Method(Protocol):
    """Audio in, frames out; for one track.

    Attributes:
        sample_rate: Hz of the blocks that it takes.
        hop_samples: between frames.
        mono: whether it takes one channel only.
        voices: lines of `Frames.voices`, 0 for none.
        frequencies: of the bins of the salience that it gives, None if it gives none.
    """

    sample_rate: int
    hop_samples: int
    mono: bool
    voices: int
    frequencies: Floats | None

    def push(self, block: Block) -> Frames:
        """Take `(channels, samples)`."""

    def finish(self) -> Frames:
        """Return the rest."""


class TrackerMethod:
    """A tracker of one voice, without runs shorter than 40 ms."""

    mono = True
    voices = 0
    frequencies: Floats | None = None

    def __init__(self, tracker: Tracker) -> None:
        self.sample_rate = tracker.sample_rate
        self.hop_samples = tracker.hop_samples
        self._tracker = tracker
        self._runs = _long_runs(tracker.sample_rate, tracker.hop_samples)

    def push(self, block: Block) -> Frames:
        """Take `(1, samples)`."""
        return Frames(self._runs.push(self._tracker.push(block)))

    def finish(self) -> Frames:
        """Return the rest."""
        last = self._runs.push(self._tracker.finish())
        rest = self._runs.finish()
        return Frames(join_lines([last, rest]))


class SalienceMethod:
    """A network's salience, decoded; of the one voice without runs shorter than 40 ms.

    Several voices keep their short runs.

    Args:
        stream: gives the salience; it is reset.
        decoder: of the one voice.
        voices: decoder of several, if they are asked for.
        stem: the row of the stem that the stream gives as well (`push_both`), if it is asked for.
    """

    mono = False

    def __init__(
        self,
        stream: SalienceStream,
        *,
        decoder: Decoder,
        voices: Decoder | None = None,
        stem: int | None = None,
    ) -> None:
        self.sample_rate = stream.sample_rate
        self.hop_samples = stream.hop_samples
        self.voices = 0 if voices is None else voices.voices
        self.frequencies: Floats | None = stream.axis.frequencies
        # Typed loosely: what gives stems has more than the protocol says.
        self._stream: Any = stream
        self._decoder = decoder
        self._runs = _long_runs(stream.sample_rate, stream.hop_samples)
        self._voices = voices
        self._stem = stem
        self._reblock = Reblock(_GRID_SAMPLES)
        stream.reset()

    def push(self, block: Block) -> Frames:
        """Take `(channels, samples)`."""
        return self._frames([self._pushed(part) for part in self._reblock.push(block)])

    def finish(self) -> Frames:
        """Return the rest."""
        rest = self._reblock.rest()
        parts = [] if rest is None else [self._pushed(rest)]
        parts.append(self._finished())
        found = self._frames(parts)
        last = self._runs.push(self._decoder.finish())
        rest_of_run = self._runs.finish()
        voices = found.voices
        if self._voices is not None and voices is not None:
            voices = join_lines([voices, self._voices.finish()])
        f0 = join_lines([found.f0, last, rest_of_run])
        return Frames(f0, voices, found.salience, found.stem)

    def _pushed(self, part: Block) -> tuple[Salience, Block | None]:
        block = torch.from_numpy(np.ascontiguousarray(part))
        if self._stem is None:
            return self._stream.push(block).cpu().numpy(), None
        return self._both(*self._stream.push_both(block))

    def _finished(self) -> tuple[Salience, Block | None]:
        if self._stem is None:
            return self._stream.finish().cpu().numpy(), None
        return self._both(*self._stream.finish_both())

    def _both(self, stems: Tensor, salience: Tensor) -> tuple[Salience, Block]:
        return salience.cpu().numpy(), stems[self._stem].cpu().numpy()

    def _frames(self, parts: list[tuple[Salience, Block | None]]) -> Frames:
        assert self.frequencies is not None
        empty = np.zeros((len(self.frequencies), 0), np.float32)
        salience = np.concatenate([empty, *(part for part, _ in parts)], axis=1)
        stems = [stem for _, stem in parts if stem is not None]
        return Frames(
            self._runs.push(self._decoder.push(salience)),
            None if self._voices is None else self._voices.push(salience),
            salience,
            np.concatenate(stems, axis=1) if stems else None,
        )


def _long_runs(sample_rate: int, hop_samples: int) -> LongRuns:
    return LongRuns(int(-(-SHORTEST_RUN_S * sample_rate // hop_samples)))


@dataclass(frozen=True)
class Found:
    """What is known of a track by now.

    Attributes:
        f0: steps of the one voice, `(1, steps)`.
        voices: steps of several, `(voices, steps)`, if they were asked for.
        salience: `(bins, frames)`, in frames of the method.
        stem: `(channels, samples)` at the track's rate, if it was separated.
    """

    f0: Lines
    voices: Lines | None
    salience: Salience | None
    stem: Block | None


class PitchFinder:
    """Blocks of one track in, its pitch out.

    Args:
        method: finds the pitch.
        step_s: seconds between steps.
        sample_rate: of the track, Hz.
        channels: of the track, 1 or 2.
        engine: gives the one stem in which pitch is found; None takes the track itself.
    """

    def __init__(
        self,
        method: Method,
        *,
        step_s: Fraction,
        sample_rate: int,
        channels: int,
        engine: Engine | None = None,
    ) -> None:
        self.frequencies = method.frequencies
        self.frame_s = Fraction(method.hop_samples, method.sample_rate)
        self._method = method
        self._engine = engine
        self._rate = sample_rate
        self._step_s = step_s
        self._samples = 0
        heard = 1 if method.mono else channels
        self._inward = Resampler(sample_rate, to_rate=method.sample_rate, channels=heard)
        self._outward = Resampler(method.sample_rate, to_rate=sample_rate, channels=heard)
        self._written = 0
        self._steps = Steps(self.frame_s, step_s)
        self._voices = None
        if method.voices:
            self._voices = Steps(self.frame_s, step_s, voices=method.voices)

    def push(self, block: Block) -> Found:
        """Take `(channels, samples)`, return what is done."""
        self._samples += block.shape[1]
        stem = None
        if self._engine is not None:
            block = stem = self._engine.push(torch.from_numpy(block))[0].numpy()
        frames = self._method.push(self._inward.push(self._heard(block)))
        return self._found(frames, self._steps.push(frames.f0, steps=self._count), stem)

    def finish(self) -> Found:
        """Return the rest."""
        heard, stem = [], None
        if self._engine is not None:
            stem = self._engine.finish()[0].numpy()
            heard.append(self._inward.push(self._heard(stem)))
        heard.append(self._inward.finish())
        first = self._method.push(np.concatenate(heard, axis=1))
        found = self._found(first, self._steps.push(first.f0, steps=self._count), stem)
        frames = self._method.finish()
        return self._last(found, frames)

    def _last(self, found: Found, frames: Frames) -> Found:
        """Join what is known with the frames behind it, up to the last step."""
        f0 = join_lines([found.f0, *_to_the_end(self._steps, frames.f0, self._count)])
        voices, salience, stem = found.voices, found.salience, found.stem
        if self._voices is not None and voices is not None and frames.voices is not None:
            rest = _to_the_end(self._voices, frames.voices, self._count)
            voices = join_lines([voices, *rest])
        if salience is not None and frames.salience is not None:
            salience = np.concatenate([salience, frames.salience], axis=1)
        if self._engine is None and frames.stem is not None:
            tail = self._track_rate(frames.stem, last=True)
            stem = tail if stem is None else np.concatenate([stem, tail], axis=1)
        return Found(f0, voices, salience, stem)

    def _found(self, frames: Frames, f0: Lines, stem: Block | None) -> Found:
        voices = None
        if self._voices is not None and frames.voices is not None:
            voices = self._voices.push(frames.voices, steps=self._count)
        if stem is None and frames.stem is not None:
            stem = self._track_rate(frames.stem)
        return Found(f0, voices, frames.salience, stem)

    @property
    def _count(self) -> int:
        """Steps of the track by now."""
        return step_count(self._samples, sample_rate=self._rate, step_s=self._step_s)

    def _heard(self, block: Block) -> Block:
        return block.mean(axis=0, keepdims=True) if self._method.mono else block

    def _track_rate(self, stem: Block, *, last: bool = False) -> Block:
        """A stem of the method at the track's rate, in the end as long as the track."""
        parts = [self._outward.push(stem)]
        if last:
            parts.append(self._outward.finish())
        joined = np.concatenate(parts, axis=1)[:, : self._samples - self._written]
        self._written += joined.shape[1]
        if not last:
            return joined
        # Two resamplings may differ by a sample.
        return np.pad(joined, ((0, 0), (0, self._samples - self._written)))


def _to_the_end(steps: Steps, frames: Lines, count: int) -> tuple[Lines, Lines]:
    return steps.push(frames, steps=count), steps.finish(count)
