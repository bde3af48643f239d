"""Salience from a model that sees an HCQT, as a stream.

Such a model sees decibels below the largest magnitude of the *whole* track. Who can read the track
twice lets `referenced` find it first; who cannot gets the largest so far, window by window (18 s):
quiet beginnings then look louder than they are. Both are the same for blocks of any length, and
neither keeps more than a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkStream
from unmixcli.dsp.hcqt import HCQT, HCQTStream, decibels
from unmixcli.models.salience import SalienceModel
from unmixcli.pitch.stream import SalienceStream


class HCQTSalienceStream:
    """Salience from blocks of samples; a `SalienceStream`.

    Args:
        model: gives it, on its device.
        reference: the largest magnitude of the track's HCQT; None for the largest so far.
        transform: that of the model's settings on its device, if there is one already.

    Attributes:
        axis: of the bins.
        sample_rate: Hz of the blocks that it takes.
        hop_samples: between frames.
    """

    def __init__(
        self,
        model: SalienceModel,
        *,
        reference: float | None = None,
        transform: HCQT | None = None,
    ) -> None:
        hcqt = model.settings.hcqt
        self.axis = hcqt.axis
        self.sample_rate = hcqt.sample_rate
        self.hop_samples = hcqt.hop_samples
        self._model = model
        self._transform = transform or HCQT(hcqt, device=next(model.parameters()).device)
        self._reference = reference
        self._hcqt = HCQTStream(self._transform)
        self._chunks = ChunkStream(model.settings.chunks, model.salience)
        self.reset()

    def reset(self) -> None:
        """Forget the track; a reference that was given stays."""
        self._hcqt.reset()
        self._chunks.reset()
        self._largest = 0.0

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return `(bins, frames)` in 0..1 that are done."""
        return self._joined(self._salience(self._hcqt.push(self._mono(block))))

    def finish(self) -> Tensor:
        """Return the rest."""
        done = list(self._salience(self._hcqt.finish()))
        return self._joined([*done, *(output for _, output in self._chunks.finish())])

    def referenced(self, blocks: Iterable[Tensor]) -> HCQTSalienceStream:
        """The same for one track, whose reference is found in a first pass over all of it.

        Args:
            blocks: of the track, `(channels, samples)`.
        """
        first = HCQTStream(self._transform)
        largest = 0.0
        for block in blocks:
            largest = max([largest, *map(_peak, first.push(self._mono(block)))])
        largest = max([largest, *map(_peak, first.finish())])
        return HCQTSalienceStream(self._model, reference=largest, transform=self._transform)

    def _mono(self, block: Tensor) -> Tensor:
        return block.to(self._transform.device).mean(dim=0)

    def _salience(self, windows: Iterable[Tensor]) -> Iterator[Tensor]:
        for magnitudes in windows:
            self._largest = max(self._largest, _peak(magnitudes))
            reference = self._largest if self._reference is None else self._reference
            features = decibels(magnitudes, reference=reference)
            yield from (output for _, output in self._chunks.push(features))

    def _joined(self, pieces: Iterable[Tensor]) -> Tensor:
        empty = torch.zeros((self.axis.bins, 0), device=self._transform.device)
        return torch.cat((empty, *pieces), dim=-1)


def referenced(stream: SalienceStream, blocks: Iterable[Tensor]) -> SalienceStream:
    """The stream for one track that has seen as much of it as it must before the first frame.

    Args:
        stream: of any model. One that needs no first pass comes back as it is, and the blocks are
            not read.
        blocks: of the whole track, `(channels, samples)` at the stream's rate.
    """
    return stream.referenced(blocks) if isinstance(stream, HCQTSalienceStream) else stream


def _peak(magnitudes: Tensor) -> float:
    return float(magnitudes.max()) if magnitudes.numel() else 0.0
