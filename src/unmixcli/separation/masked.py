"""Separation by masks: transform, chunks, masks, phase, inverse; whatever gives the masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig, ChunkStream, Segment
from unmixcli.dsp.stft import InverseSTFTStream, STFTConfig, STFTStream
from unmixcli.separation.phase import PhaseMeasure, PhaseStream
from unmixcli.separation.sparing import Notice
from unmixcli.separation.transfer import upload

# Masks meet the mix in pieces whose memory is used again; see dsp.stft.
_MASKED_FRAMES = 256


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """What masks are made and used on.

    Attributes:
        sample_rate: Hz.
        channels: audio channels that are taken; None takes any number.
        stft: the transform.
        chunks: the grid, in frames.
        device: where it runs.
    """

    sample_rate: int
    channels: int | None
    stft: STFTConfig
    chunks: ChunkConfig
    device: torch.device


class MaskSeparator:
    """Blocks of the mix in, blocks of stems out.

    Args:
        masks: `(batch, channels, bins, frames)` complex to `(batch, sources, channels, bins,
            frames)`, real if there is a phase.
        settings: what surrounds them.
        sources: names of the masks.
        stems: those that come out, in this order.
        phase: makes spectra of magnitudes; None multiplies the mix by the masks.
        measured: is told measures of the spectra at the end of the track.
    """

    def __init__(
        self,
        masks: Callable[[Tensor], Tensor],
        *,
        settings: MaskSettings,
        sources: Sequence[str],
        stems: Sequence[str],
        phase: PhaseStream | None = None,
        measured: Notice | None = None,
    ) -> None:
        self.stems = tuple(stems)
        self.sample_rate = settings.sample_rate
        self.channels = settings.channels
        self._device = settings.device
        self._rows = [list(sources).index(stem) for stem in stems]
        self._forward = STFTStream(settings.stft)
        self._chunks = ChunkStream(settings.chunks, masks)
        self._phase = phase
        self._inverse = InverseSTFTStream(settings.stft)
        self._measure = measured and PhaseMeasure(sources, settings.stft, measured)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        for part in (self._forward, self._chunks, self._phase, self._inverse, self._measure):
            if part is not None:
                part.reset()
        self._samples = 0
        self._channels = 0

    @torch.no_grad()
    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        self._samples += block.shape[-1]
        self._channels = block.shape[0]
        frames = self._forward.push(upload(block, self._device))
        return self._joined(self._spectra(self._chunks.push(frames)))

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the rest."""
        if not self._samples:
            return torch.zeros(len(self.stems), self._channels, 0)
        frames = self._forward.finish()
        stems = [
            self._joined(self._spectra(self._chunks.push(frames))),
            self._joined(self._spectra(self._chunks.finish())),
        ]
        rest = None if self._phase is None else self._phase.finish()
        if rest is not None:
            stems.append(self._inverse.push(self._measured(rest)[self._rows]))
        stems.append(self._inverse.finish(self._samples))
        if self._measure is not None:
            self._measure.finish(self._samples)
        return torch.cat(stems, dim=-1)

    def _spectra(self, segments: Iterable[Segment]) -> Iterator[Tensor]:
        for segment in segments:
            for mix, masks in zip(*(v.split(_MASKED_FRAMES, dim=-1) for v in segment), strict=True):
                yield self._measured(self._sources(mix, masks), mix)[self._rows]

    def _sources(self, mix: Tensor, masks: Tensor) -> Tensor:
        if self._phase is None:
            return masks * mix
        # Torch rounds the magnitude of other memory layouts otherwise.
        return self._phase.push(masks * mix.contiguous().abs(), mix)

    def _measured(self, spectra: Tensor, mix: Tensor | None = None) -> Tensor:
        if self._measure is not None:
            self._measure.push(spectra, mix)
        return spectra

    def _joined(self, spectra: Iterable[Tensor]) -> Tensor:
        parts = [self._inverse.push(spectrum) for spectrum in spectra]
        if not parts:
            empty = (len(self.stems), self._channels, 0)
            return torch.zeros(empty, device=self._device)
        return torch.cat(parts, dim=-1)
