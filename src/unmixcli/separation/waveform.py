"""Separation by models that give samples: chunks through the network, cross-faded, shifted."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unmixcli.dsp.chunks import ChunkStream, Segment
from unmixcli.models.waveform import WaveformModel
from unmixcli.separation.device import HALF
from unmixcli.separation.sparing import Limits, Notice, SparingRunner
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.transfer import upload

MAX_SHIFT_S = 0.5


@dataclass(frozen=True)
class WaveformOptions(SpectralOptions):
    """What a run may change, with what only models of samples have.

    Attributes:
        shifts: passes with silence of random length up to 0.5 s before the track, whose stems are
            averaged (Demucs' shift trick); 0 is one pass without.
        seed: of these lengths, which are the same for every track.
    """

    shifts: int = 0
    seed: int = 0


class WaveformSeparator:
    """A separator around a model that gives samples.

    Chunks, fades and shifts are those of `demucs.apply.apply_model` where the model's grid has
    `ends="centred"` and `fade="triangle"`.

    Args:
        model: on the device where it shall run.
        stems: those that come out, in this order.
        options: what differs from the model's settings.
        notice: is told when memory runs short.
        limits: what memory has allowed before; shared by separators of one model.

    Raises:
        ValueError: for an overlap out of range.
    """

    def __init__(
        self,
        model: WaveformModel,
        *,
        stems: Sequence[str],
        options: WaveformOptions | None = None,
        notice: Notice | None = None,
        limits: Limits | None = None,
    ) -> None:
        settings = model.settings
        options = options or WaveformOptions()
        self.stems = tuple(stems)
        self.sample_rate = settings.sample_rate
        self.channels = None if settings.channels == 1 else settings.channels
        self._model = model
        self._half = None if options.half is None else HALF[options.half]
        self._device = model.device
        chunks = options.grid(settings.chunks)
        runner = SparingRunner(self._run, config=chunks, notice=notice, limits=limits)
        silences = shift_silences(
            options.shifts, sample_rate=settings.sample_rate, seed=options.seed
        )
        self._passes = [_Pass(ChunkStream(chunks, runner), silence) for silence in silences]
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        for each in self._passes:
            each.reset()
        self._channels = 0

    @torch.no_grad()
    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        self._channels = block.shape[0]
        samples = upload(block, self._device)
        for each in self._passes:
            each.push(samples)
        return self._mean()

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the rest."""
        for each in self._passes:
            each.finish()
        return self._mean()

    def _mean(self) -> Tensor:
        """Average what all passes have."""
        ready = min(each.ready for each in self._passes)
        if not ready:
            return torch.zeros(len(self.stems), self._channels, 0, device=self._device)
        total = self._passes[0].pop(ready)
        for each in self._passes[1:]:
            total = total + each.pop(ready)
        return total / len(self._passes)

    def _run(self, batch: Tensor) -> Tensor:
        """Stems of `(batch, channels, samples)`, each channel by itself for a mono model."""
        mono = self._model.settings.channels == 1
        inputs = batch.reshape(-1, 1, batch.shape[-1]) if mono else batch
        reduced = torch.autocast(
            self._device.type, dtype=self._half, enabled=self._half is not None
        )
        with reduced:
            stems = self._model.stems(inputs, stems=self.stems)
        if mono:
            stems = stems.reshape(*batch.shape[:2], *stems.shape[1:2], -1).transpose(1, 2)
        return stems.to(torch.float32)


def shift_silences(shifts: int, *, sample_rate: int, seed: int) -> tuple[int, ...]:
    """The samples of silence before the track in each pass; one pass without if `shifts` is 0.

    `demucs.apply.apply_model` draws offsets into 0.5 s of silence by `randint`, and what they leave
    of it stays before the track.
    """
    if not shifts:
        return (0,)
    generator = random.Random(seed)
    longest = int(MAX_SHIFT_S * sample_rate)
    return tuple(longest - generator.randint(0, longest) for _ in range(shifts))


class _Pass:
    """The stems of a track after so many samples of silence, without those of the silence."""

    def __init__(self, stream: ChunkStream, silence: int) -> None:
        self._stream = stream
        self._silence = silence
        self.reset()

    def reset(self) -> None:
        self.ready = 0
        self._stream.reset()
        self._started = False
        self._to_drop = self._silence
        self._waiting: list[Tensor] = []

    def push(self, samples: Tensor) -> None:
        if not samples.shape[-1]:
            return
        before = 0 if self._started else self._silence
        self._started = True
        self._keep(self._stream.push(F.pad(samples, (before, 0)) if before else samples))

    def finish(self) -> None:
        self._keep(self._stream.finish())

    def pop(self, samples: int) -> Tensor:
        """The first `samples` that are ready; there must be as many."""
        joined = self._waiting[0] if len(self._waiting) == 1 else torch.cat(self._waiting, dim=-1)
        self.ready -= samples
        # A copy, lest a short rest keep all that came before it in memory.
        self._waiting = [joined[..., samples:].clone()] if self.ready else []
        return joined[..., :samples]

    def _keep(self, segments: Iterable[Segment]) -> None:
        for _, stems in segments:
            dropped = min(self._to_drop, stems.shape[-1])
            self._to_drop -= dropped
            if stems.shape[-1] > dropped:
                self._waiting.append(stems[..., dropped:])
                self.ready += stems.shape[-1] - dropped
