"""Spectra of stems that come as samples, of waveform models and ensembles: mended or measured.

Where phases are found anew, the magnitudes are those of the stems' own spectra, and the mix is that
of the mix's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unmixcli.dsp.stft import InverseSTFTStream, STFTConfig, STFTStream
from unmixcli.separation.phase import Phase, PhaseMeasure, open_phase
from unmixcli.separation.separator import Separator
from unmixcli.separation.sparing import Notice

SPECTRA = STFTConfig(n_fft=4096, hop_samples=1024)
"""The transform in which phases are found and stems are measured."""


class MeasuredSeparator:
    """A separator whose stems are measured and stay as they are.

    Samples are signals: the inconsistency of each stem is that of rounding, and what the mixing
    error tells is how far their sum is from the mix.

    Args:
        separator: gives stems that together make up the mix.
        stems: those that come out, in this order.
        measured: is told measures of the spectra at the end of the track.
    """

    def __init__(self, separator: Separator, *, stems: Sequence[str], measured: Notice) -> None:
        self.stems = tuple(stems)
        self.sample_rate = separator.sample_rate
        self.channels = separator.channels
        self._separator = separator
        self._rows = [separator.stems.index(stem) for stem in stems]
        self._measure = PhaseMeasure(separator.stems, SPECTRA, measured)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._separator.reset()
        self._measure.reset()
        self._of_mix = STFTStream(SPECTRA)
        self._of_stems = STFTStream(SPECTRA)
        self._samples = 0

    @torch.no_grad()
    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        self._samples += block.shape[-1]
        self._measure.hear(self._of_mix.push(block.cpu()))
        return self._measured(self._separator.push(block))

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the rest."""
        if not self._samples:
            return self._separator.finish()[self._rows]
        self._measure.hear(self._of_mix.finish())
        stems = self._measured(self._separator.finish())
        self._measure.push(self._of_stems.finish())
        self._measure.finish(self._samples)
        return stems

    def _measured(self, stems: Tensor) -> Tensor:
        self._measure.push(self._of_stems.push(stems.cpu()))
        return stems[self._rows]


class RecoveringSeparator:
    """Blocks of the mix in, blocks of stems out, on the CPU.

    Args:
        separator: gives stems that together make up the mix.
        stems: those that come out, in this order.
        phase: where their phase comes from.
        wiener_iterations: of the Wiener filter; 1 if none are asked for.
        measured: is told measures of the spectra at the end of the track.
    """

    def __init__(
        self,
        separator: Separator,
        *,
        stems: Sequence[str],
        phase: Phase,
        wiener_iterations: int | None = None,
        measured: Notice | None = None,
    ) -> None:
        self.stems = tuple(stems)
        self.sample_rate = separator.sample_rate
        self.channels = separator.channels
        self._separator = separator
        self._rows = [separator.stems.index(stem) for stem in stems]
        self._phase = open_phase(
            phase, stems=separator.stems, stft=SPECTRA, wiener_iterations=wiener_iterations
        )
        self._measure = measured and PhaseMeasure(separator.stems, SPECTRA, measured)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._separator.reset()
        self._phase.reset()
        if self._measure is not None:
            self._measure.reset()
        self._mix = torch.zeros(0, 0)
        self._samples = 0
        self._forward = STFTStream(SPECTRA)
        self._inverse = InverseSTFTStream(SPECTRA)

    @torch.no_grad()
    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        mix = block.cpu()
        self._mix = torch.cat((self._mix, mix), dim=-1) if self._samples else mix
        self._samples += block.shape[-1]
        return self._recovered(self._spectra(self._separator.push(block)))

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the rest."""
        if not self._samples:
            return torch.zeros(len(self.stems), self._mix.shape[0], 0)
        spectra = [self._spectra(self._separator.finish()), self._forward.finish()]
        stems = [self._recovered(torch.cat(spectra, dim=-1))]
        if (rest := self._phase.finish()) is not None:
            stems.append(self._inverted(rest))
        stems.append(self._inverse.finish(self._samples))
        if self._measure is not None:
            self._measure.finish(self._samples)
        return torch.cat(stems, dim=-1)

    def _spectra(self, stems: Tensor) -> Tensor:
        """The frames that stems complete, those of the mix in front."""
        count = stems.shape[-1]
        heard = self._mix[..., :count].unsqueeze(0)
        self._mix = self._mix[..., count:].clone()
        return self._forward.push(torch.cat((heard, stems.cpu())))

    def _recovered(self, spectra: Tensor) -> Tensor:
        mix = spectra[0]
        return self._inverted(self._phase.push(spectra[1:].contiguous().abs(), mix), mix)

    def _inverted(self, spectra: Tensor, mix: Tensor | None = None) -> Tensor:
        if self._measure is not None:
            self._measure.push(spectra, mix)
        return self._inverse.push(spectra[self._rows])
