"""A network that gives masks of harmonic and percussive, as a method among the others."""

from __future__ import annotations

from torch import Tensor

from unmixcli.hpss.method import PAIR
from unmixcli.models.spectral import SpectralModel
from unmixcli.separation.sparing import Limits, Notice, SparingRunner


class LearnedMethod:
    """See `FrameMethod`; masks are their magnitudes where the network's are complex.

    Args:
        network: on its device.
        limits: what memory has allowed before; shared by the tracks of a run.
        notice: is told when memory runs short.
    """

    def __init__(
        self, network: SpectralModel, *, limits: Limits | None = None, notice: Notice | None = None
    ) -> None:
        self.stft = network.settings.stft
        self.chunks = network.settings.chunks
        self._network = network
        self._mono = network.settings.channels == 1
        self._sparing = SparingRunner(self._run, config=self.chunks, notice=notice, limits=limits)

    def masks(self, mix: Tensor) -> Tensor:
        """Masks of harmonic and percussive; see `FrameMethod`."""
        return self._sparing(mix)

    def _run(self, mix: Tensor) -> Tensor:
        if not self._mono:
            return self._network.masks(mix, stems=PAIR).abs()
        alone = self._network.masks(mix.flatten(0, 1).unsqueeze(1), stems=PAIR).abs()
        masks: Tensor = alone.unflatten(0, mix.shape[:2]).squeeze(3).transpose(1, 2)
        return masks
