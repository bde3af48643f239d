"""From magnitudes to spectra: the phase of the mix, or one found for each stem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

from unmixcli.dsp.consistency import InconsistencyStream
from unmixcli.dsp.stft import STFTConfig
from unmixcli.dsp.wiener import WienerStream
from unmixcli.separation.sparing import Notice

Phase = Literal["mixture", "pu", "wiener"]
PHASES: tuple[Phase, ...] = ("mixture", "pu", "wiener")

PERCUSSIVE = ("drums", "percussive")
"""Stems that start from the phase of the mix; all others are taken for sinusoids."""


class PhaseStream(Protocol):
    """Magnitudes and the mix in, spectra of stems out, block by block."""

    def reset(self) -> None:
        """Forget the track."""

    def push(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        """Take frames, return the spectra that are done.

        Shape: `(stems, channels, bins, frames)`, real, and `(channels, bins, frames)`, complex, to
        `(stems, channels, bins, frames)`, complex.
        """
        raise NotImplementedError

    def finish(self) -> Tensor | None:
        """Return the rest; None if there is none."""
        raise NotImplementedError


class MixturePhase:
    """Magnitudes with the phase of the mix, which is 0 where that is silent."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def push(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        """See `PhaseStream`."""
        # Torch rounds complex quotients by their place in memory, real ones it does not.
        parts = torch.view_as_real(mix.resolve_conj())
        loudness = parts.square().sum(dim=-1, keepdim=True).sqrt()
        directions = torch.where(loudness > 0, parts / loudness, parts.new_tensor([1.0, 0.0]))
        return magnitudes * torch.view_as_complex(directions)

    def finish(self) -> Tensor | None:
        """Nothing is left."""
        return None


class WienerPhase:
    """The multichannel Wiener filter.

    Args:
        stream: the filter.
        left_over: whether what the stems leave of the mix takes part as one more stem, so that
            nobody has to take it.
    """

    def __init__(self, stream: WienerStream, *, left_over: bool = False) -> None:
        self._filter = stream
        self._left_over = left_over

    def reset(self) -> None:
        """Forget the track."""
        self._filter.reset()

    def push(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        """See `PhaseStream`."""
        if not self._left_over:
            return self._filter.push(magnitudes, mix)
        rest = (mix.contiguous().abs() - magnitudes.sum(dim=0)).clamp_(min=0)
        return self._filter.push(torch.cat((magnitudes, rest.unsqueeze(0))), mix)[:-1]

    def finish(self) -> Tensor | None:
        """The last window."""
        rest = self._filter.finish()
        return rest[:-1] if self._left_over else rest


class UnwrappedPhase:
    """Phase unwrapping for all but the drums, the mixing error shared: PU-HPSS, 50 iterations.

    Args:
        stems: names, which tell what is percussive.
        stft: the transform.
    """

    def __init__(self, stems: Sequence[str], stft: STFTConfig) -> None:
        # Numba is compiled when it is imported, which only those should wait for who use it.
        from unmixcli.dsp.phase import PhaseUnwrapping, PhaseUnwrappingStream

        harmonic = [row for row, stem in enumerate(stems) if stem not in PERCUSSIVE]
        self._order = harmonic + [row for row in range(len(stems)) if row not in harmonic]
        self._back = sorted(range(len(stems)), key=self._order.__getitem__)
        self._unwrapping = PhaseUnwrappingStream(
            PhaseUnwrapping(n_fft=stft.n_fft, hop_samples=stft.hop_samples, unwrapped=len(harmonic))
        )

    def reset(self) -> None:
        """Forget the track."""
        self._unwrapping.reset()

    def push(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        """See `PhaseStream`."""
        return self._unwrapping.push(magnitudes[self._order].abs(), mix)[self._back]

    def finish(self) -> Tensor | None:
        """Nothing is left."""
        return None


def open_phase(
    phase: Phase, *, stems: Sequence[str], stft: STFTConfig, wiener_iterations: int | None = None
) -> PhaseStream:
    """The stream of a name for these stems, which make up the mix.

    Args:
        phase: one of `PHASES`.
        stems: names, in the order of their magnitudes.
        stft: the transform.
        wiener_iterations: of the filter; 1 if none are asked for.
    """
    if phase == "pu":
        return UnwrappedPhase(stems, stft)
    if phase == "wiener":
        return WienerPhase(WienerStream(iterations=wiener_iterations or 1))
    return MixturePhase()


class PhaseMeasure:
    """How well the spectra of stems fit any signal, and the mix; said when the track ends.

    Args:
        stems: names of the first spectra, which are measured each by itself; all of them together
            are measured against the mix.
        stft: the transform.
        notice: is told.
    """

    def __init__(self, stems: Sequence[str], stft: STFTConfig, notice: Notice) -> None:
        self._stems = tuple(stems)
        self._inconsistency = [InconsistencyStream(stft) for _ in self._stems]
        self._notice = notice
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        for stream in self._inconsistency:
            stream.reset()
        self._mix: Tensor | None = None
        self._error = 0.0
        self._energy = 0.0

    def hear(self, mix: Tensor) -> None:
        """Take the mix `(channels, bins, frames)`, which may be ahead of the stems."""
        self._mix = mix if self._mix is None else torch.cat((self._mix, mix), dim=-1)

    def push(self, spectra: Tensor, mix: Tensor | None = None) -> None:
        """Take spectra `(stems, channels, bins, frames)`, and the mix as `hear` does.

        The first spectra are those of the stems that have names.
        """
        if mix is not None:
            self.hear(mix)
        if self._mix is None or not spectra.shape[-1]:
            return
        count = spectra.shape[-1]
        heard, self._mix = self._mix[..., :count], self._mix[..., count:]
        self._energy += _energy(heard)
        self._error += _energy(heard - spectra.sum(dim=0))
        for stream, spectrum in zip(self._inconsistency, spectra, strict=False):
            stream.push(spectrum)

    def finish(self, samples: int) -> None:
        """Tell the measures of a track of so many samples."""
        levels = [
            f"{stem} {stream.finish(samples):.1f} dB"
            for stem, stream in zip(self._stems, self._inconsistency, strict=True)
        ]
        error = 10 * math.log10(self._error / self._energy) if self._error > 0 else -math.inf
        self._notice(f"inconsistency: {', '.join(levels)}; mixing error: {error:.1f} dB")


def _energy(values: Tensor) -> float:
    return float(torch.view_as_real(values).double().square().sum())
