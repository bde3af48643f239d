"""Salience, and stems if they are wanted, from a model that gives both from the mix's spectrum."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig, ChunkStream, Segment
from unmixcli.dsp.stft import InverseSTFTStream, STFTStream
from unmixcli.errors import UsageError
from unmixcli.models.spectral import JointModel
from unmixcli.separation.transfer import upload


class JointStream:
    """Salience of the voice's pitch from blocks of samples; a `SalienceStream` that has stems too.

    Salience is that of the mean of the channels; masks are made for each channel by itself. Both
    are cross-faded on one grid of chunks. A track goes either through `push` and `finish`, which
    run the network for the salience alone, or through `push_both` and `finish_both`.

    Args:
        model: on the device where it shall run.
        chunks: the grid; None takes the model's own.

    Attributes:
        axis: of the bins.
        sample_rate: Hz of the blocks that it takes.
        hop_samples: between frames.
        stems: those that come out, in this order.

    Raises:
        UsageError: for a model that gives no salience, or not without the truth.
        ValueError: for a transform with other frames than a `SalienceStream` has.
    """

    def __init__(self, model: JointModel, *, chunks: ChunkConfig | None = None) -> None:
        settings = model.settings
        if not model.gives_salience or model.is_oracle:
            raise UsageError("this wiring of U-Nets finds no pitch in a mix; take another model")
        if 2 * settings.stft.hop_samples > settings.stft.n_fft:
            raise ValueError("hops must not be longer than half of the transform")
        self.axis = model.axis
        self.sample_rate = settings.sample_rate
        self.hop_samples = settings.stft.hop_samples
        self.stems = settings.stems
        self._model = model
        self._device = next(model.parameters()).device
        self._bins = settings.stft.bins
        self._forward = STFTStream(settings.stft)
        self._chunks = ChunkStream(chunks or settings.chunks, self._run)
        self._inverse = InverseSTFTStream(settings.stft)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._forward.reset()
        self._chunks.reset()
        self._inverse.reset()
        self._samples = 0
        self._channels = 0
        self._with_stems: bool | None = None

    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return `(bins, frames)` in 0..1 that are done."""
        return self._pushed(block, with_stems=False)[1]

    def finish(self) -> Tensor:
        """Return the rest."""
        return self._finished(with_stems=False)[1]

    def push_both(self, block: Tensor) -> tuple[Tensor, Tensor]:
        """Take `(channels, samples)`, return what is done of both.

        Returns:
            `(stems, channels, samples)`, and `(bins, frames)` in 0..1.
        """
        return self._pushed(block, with_stems=True)

    def finish_both(self) -> tuple[Tensor, Tensor]:
        """Return the rest of both."""
        return self._finished(with_stems=True)

    @torch.no_grad()
    def _pushed(self, block: Tensor, *, with_stems: bool) -> tuple[Tensor, Tensor]:
        self._begin(with_stems)
        self._samples += block.shape[-1]
        self._channels = block.shape[0]
        here = upload(block, self._device)
        mean = here.mean(dim=0, keepdim=True)
        # With stems of several channels, their mean is one more channel behind them.
        seen = torch.cat((here, mean)) if with_stems and len(here) > 1 else mean
        return self._parts(self._chunks.push(self._forward.push(seen)))

    @torch.no_grad()
    def _finished(self, *, with_stems: bool) -> tuple[Tensor, Tensor]:
        self._begin(with_stems)
        if not self._samples:
            return self._parts([])
        stems, salience = self._parts(self._chunks.push(self._forward.finish()))
        last_stems, last_salience = self._parts(self._chunks.finish())
        parts = [stems, last_stems]
        if with_stems:
            parts.append(self._inverse.finish(self._samples))
        return torch.cat(parts, dim=-1), torch.cat((salience, last_salience), dim=-1)

    def _begin(self, with_stems: bool) -> None:
        if self._with_stems not in (None, with_stems):
            raise ValueError("a track goes through push or through push_both, not through both")
        self._with_stems = with_stems

    def _run(self, batch: Tensor) -> Tensor:
        """Masks and salience of `(batch, channels, bins, frames)`: `(batch, rows, frames)`."""
        count, frames = batch.shape[0], batch.shape[-1]
        masks, salience = self._model.joint(
            batch.reshape(-1, 1, *batch.shape[2:]), stems=self.stems if self._with_stems else ()
        )
        of_mean: Tensor = salience.unflatten(0, (count, -1))[:, -1].float()
        if not self._with_stems:
            return of_mean
        by_channel = masks.unflatten(0, (count, -1))[:, : self._channels].transpose(1, 2)
        return torch.cat((by_channel.reshape(count, -1, frames).float(), of_mean), dim=1)

    def _parts(self, segments: Iterable[Segment]) -> tuple[Tensor, Tensor]:
        """Samples of the stems and frames of salience."""
        stems = [torch.zeros((len(self.stems), self._channels, 0), device=self._device)]
        salience = [torch.zeros((self.axis.bins, 0), device=self._device)]
        for mix, rows in segments:
            salience.append(rows[-self.axis.bins :])
            if self._with_stems:
                masks = rows[: -self.axis.bins].unflatten(
                    0, (len(self.stems), self._channels, self._bins)
                )
                stems.append(self._inverse.push(masks * mix[: self._channels]))
        return torch.cat(stems, dim=-1), torch.cat(salience, dim=-1)
