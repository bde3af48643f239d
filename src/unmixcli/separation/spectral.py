"""Separation by masks on spectra: transform, chunks through the network, filter, inverse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkStream, Segment
from unmixcli.dsp.stft import InverseSTFTStream, STFTStream
from unmixcli.dsp.wiener import WienerStream
from unmixcli.models.spectral import SpectralModel
from unmixcli.separation.device import HALF
from unmixcli.separation.sparing import Limits, Notice, SparingRunner
from unmixcli.separation.transfer import upload

# Masks meet the mix in pieces whose memory is used again; see dsp.stft.
_MASKED_FRAMES = 256


@dataclass(frozen=True)
class SpectralOptions:
    """What a run may change; None leaves what the card says.

    Attributes:
        batch: chunks that run at once.
        overlap: share of a chunk that is cross-faded, 0 to 0.5.
        wiener_iterations: of the multichannel Wiener filter.
        half: reduced precision of the network, "bf16" or "fp16"; None is float32.
    """

    batch: int | None = None
    overlap: float | None = None
    wiener_iterations: int | None = None
    half: str | None = None


class SpectralSeparator:
    """A separator around a model that gives masks.

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
        model: SpectralModel,
        *,
        stems: Sequence[str],
        options: SpectralOptions | None = None,
        notice: Notice | None = None,
        limits: Limits | None = None,
    ) -> None:
        settings = model.settings
        options = options or SpectralOptions()
        self.stems = tuple(stems)
        self.sample_rate = settings.sample_rate
        self.channels = None if settings.channels == 1 else settings.channels
        self._model = model
        self._half = None if options.half is None else HALF[options.half]
        self._device = next(model.parameters()).device
        iterations = options.wiener_iterations
        self._iterations = settings.wiener_iterations if iterations is None else iterations
        # The spatial model needs every stem; those that come out stand first.
        others = [stem for stem in settings.stems if stem not in self.stems]
        self._masked = (*self.stems, *others) if self._iterations else self.stems
        chunks = settings.chunks
        if options.overlap is not None:
            chunks = chunks.with_overlap(options.overlap)
        if options.batch is not None:
            chunks = replace(chunks, batch=options.batch)
        runner = SparingRunner(self._masks, config=chunks, notice=notice, limits=limits)
        self._forward = STFTStream(settings.stft)
        self._chunks = ChunkStream(chunks, runner)
        self._wiener = WienerStream(
            window_frames=settings.wiener_window_frames,
            iterations=max(1, self._iterations),
            eps=settings.wiener_eps,
        )
        self._inverse = InverseSTFTStream(settings.stft)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._forward.reset()
        self._chunks.reset()
        self._wiener.reset()
        self._inverse.reset()
        self._samples = 0
        self._channels = 0

    @torch.no_grad()
    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        self._samples += block.shape[-1]
        self._channels = block.shape[0]
        frames = self._forward.push(upload(block, self._device))
        return self._joined(self._filtered(self._chunks.push(frames)))

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the rest."""
        if not self._samples:
            return torch.zeros(len(self.stems), self._channels, 0)
        frames = self._forward.finish()
        stems = [
            self._joined(self._filtered(self._chunks.push(frames))),
            self._joined(self._filtered(self._chunks.finish())),
        ]
        if self._iterations:
            rest = self._wiener.finish()
            stems.append(self._inverse.push(self._chosen(rest)))
        stems.append(self._inverse.finish(self._samples))
        return torch.cat(stems, dim=-1)

    def _masks(self, batch: Tensor) -> Tensor:
        """Masks of `(batch, channels, bins, frames)`, each channel by itself for a mono model."""
        shape = batch.shape
        mono = self._model.settings.channels == 1
        inputs = batch.reshape(-1, 1, *shape[2:]) if mono else batch
        reduced = torch.autocast(
            self._device.type, dtype=self._half, enabled=self._half is not None
        )
        with reduced:
            masks = self._model.masks(inputs, stems=self._masked)
        if mono:
            masks = masks.reshape(shape[0], shape[1], *masks.shape[1:2], *shape[2:]).transpose(1, 2)
        return masks.to(torch.complex64 if masks.is_complex() else torch.float32)

    def _filtered(self, segments: Iterable[Segment]) -> Iterable[Tensor]:
        for mix, masks in segments:
            start = 0
            while start < mix.shape[-1]:
                stop = start + (self._wiener.frames_left if self._iterations else _MASKED_FRAMES)
                yield self._stems(mix[..., start:stop], masks[..., start:stop])
                start = stop

    def _stems(self, mix: Tensor, masks: Tensor) -> Tensor:
        if not self._iterations:
            return masks * mix
        gains = masks.abs() if masks.is_complex() else masks
        return self._chosen(self._wiener.push(gains * mix.abs(), mix))

    def _chosen(self, spectra: Tensor) -> Tensor:
        return spectra[: len(self.stems)]

    def _joined(self, spectra: Iterable[Tensor]) -> Tensor:
        parts = [self._inverse.push(spectrum) for spectrum in spectra]
        if not parts:
            empty = (len(self.stems), self._channels, 0)
            return torch.zeros(empty, device=self._device)
        return torch.cat(parts, dim=-1)
