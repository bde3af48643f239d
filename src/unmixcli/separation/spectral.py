"""Separation by models that give masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.wiener import WienerStream
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.separation.device import HALF
from unmixcli.separation.masked import MaskSeparator, MaskSettings
from unmixcli.separation.phase import Phase, PhaseStream, WienerPhase, open_phase
from unmixcli.separation.sparing import Limits, Notice, SparingRunner


@dataclass(frozen=True)
class SpectralOptions:
    """What a run may change; None leaves what the card says.

    Attributes:
        batch: chunks that run at once.
        overlap: share of a chunk that is cross-faded, 0 to 0.5.
        wiener_iterations: of the multichannel Wiener filter.
        half: reduced precision of the network, "bf16" or "fp16"; None is float32.
        phase: of the stems, one of `phase.PHASES`; "wiener" is one iteration if there are none,
            the others are without the filter.
    """

    batch: int | None = None
    overlap: float | None = None
    wiener_iterations: int | None = None
    half: str | None = None
    phase: Phase | None = None

    def grid(self, chunks: ChunkConfig) -> ChunkConfig:
        """The grid of a run.

        Raises:
            ValueError: for an overlap out of range.
        """
        if self.overlap is not None:
            chunks = chunks.with_overlap(self.overlap)
        return chunks if self.batch is None else replace(chunks, batch=self.batch)


class SpectralSeparator(MaskSeparator):
    """A separator around a model that gives masks.

    Args:
        model: on the device where it shall run.
        stems: those that come out, in this order.
        options: what differs from the model's settings.
        notice: is told when memory runs short.
        limits: what memory has allowed before; shared by separators of one model.
        measured: is told measures of the spectra at the end of each track.

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
        measured: Notice | None = None,
    ) -> None:
        settings = model.settings
        options = options or SpectralOptions()
        self._model = model
        self._half = None if options.half is None else HALF[options.half]
        self._place = next(model.parameters()).device
        iterations = _iterations(options, settings)
        self._gains_only = options.phase is not None or iterations > 0
        # All stems share in the mix; those that come out stand first.
        others = [stem for stem in settings.stems if stem not in stems]
        whole = iterations > 0 or options.phase == "pu" or measured is not None
        self._masked = (*stems, *others) if whole else tuple(stems)
        chunks = options.grid(settings.chunks)
        super().__init__(
            SparingRunner(self._masks, config=chunks, notice=notice, limits=limits),
            settings=MaskSettings(
                sample_rate=settings.sample_rate,
                channels=None if settings.channels == 1 else settings.channels,
                stft=settings.stft,
                chunks=chunks,
                device=self._place,
            ),
            sources=self._masked,
            stems=stems,
            phase=_phase(options, settings, stems=self._masked),
            measured=measured,
        )

    def _masks(self, batch: Tensor) -> Tensor:
        """Masks of `(batch, channels, bins, frames)`, each channel by itself for a mono model."""
        shape = batch.shape
        mono = self._model.settings.channels == 1
        inputs = batch.reshape(-1, 1, *shape[2:]) if mono else batch
        reduced = torch.autocast(self._place.type, dtype=self._half, enabled=self._half is not None)
        with reduced:
            masks = self._model.masks(inputs, stems=self._masked)
        if mono:
            masks = masks.reshape(shape[0], shape[1], *masks.shape[1:2], *shape[2:]).transpose(1, 2)
        masks = masks.to(torch.complex64 if masks.is_complex() else torch.float32)
        return masks.abs() if masks.is_complex() and self._gains_only else masks


def _iterations(options: SpectralOptions, settings: SpectralSettings) -> int:
    """Of the Wiener filter."""
    if options.phase in ("mixture", "pu"):
        return 0
    asked = options.wiener_iterations
    own = settings.wiener_iterations if asked is None else asked
    return max(1, own) if options.phase == "wiener" else own


def _phase(
    options: SpectralOptions, settings: SpectralSettings, *, stems: Sequence[str]
) -> PhaseStream | None:
    if iterations := _iterations(options, settings):
        return WienerPhase(
            WienerStream(
                window_frames=settings.wiener_window_frames,
                iterations=iterations,
                eps=settings.wiener_eps,
            )
        )
    # Real masks times the mix have its phase already.
    return open_phase("pu", stems=stems, stft=settings.stft) if options.phase == "pu" else None
