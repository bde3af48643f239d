"""A separator around a method that gives masks of frames: transform, chunks, phase, inverse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkStream, Segment
from unmixcli.dsp.stft import InverseSTFTStream, STFTStream
from unmixcli.hpss.method import FrameMethod
from unmixcli.hpss.phase import Phase, open_phase
from unmixcli.separation.transfer import upload


class HPSSSeparator:
    """Blocks of the mix in, blocks of stems out; each channel by itself but for Wiener phase.

    Args:
        method: gives the masks.
        stems: those that come out, of harmonic and percussive.
        sample_rate: Hz.
        channels: audio channels that the method takes; None takes any number.
        phase: how spectra are made of the masks.
        device: where it runs.
    """

    def __init__(
        self,
        method: FrameMethod,
        *,
        stems: Sequence[str],
        sample_rate: int,
        channels: int | None = None,
        phase: Phase = "mixture",
        device: torch.device | None = None,
    ) -> None:
        self.stems = tuple(stems)
        self.sample_rate = sample_rate
        self.channels = channels
        self._device = device or torch.device("cpu")
        self._forward = STFTStream(method.stft)
        self._chunks = ChunkStream(method.chunks, method.masks)
        self._phase = open_phase(phase, stems=stems, stft=method.stft)
        self._inverse = InverseSTFTStream(method.stft)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._forward.reset()
        self._chunks.reset()
        self._phase.reset()
        self._inverse.reset()
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
        if (rest := self._phase.finish()) is not None:
            stems.append(self._inverse.push(rest))
        stems.append(self._inverse.finish(self._samples))
        return torch.cat(stems, dim=-1)

    def _spectra(self, segments: Iterable[Segment]) -> Iterator[Tensor]:
        for mix, masks in segments:
            yield self._phase.push(masks, mix)

    def _joined(self, spectra: Iterable[Tensor]) -> Tensor:
        parts = [self._inverse.push(spectrum) for spectrum in spectra]
        if not parts:
            empty = (len(self.stems), self._channels, 0)
            return torch.zeros(empty, device=self._device)
        return torch.cat(parts, dim=-1)
