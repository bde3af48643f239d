"""From masks to spectra: the phase of the mix, or one found for each stem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

from unmixcli.dsp.stft import STFTConfig
from unmixcli.dsp.wiener import WienerStream
from unmixcli.hpss.method import PAIR

Phase = Literal["mixture", "pu", "wiener"]
PHASES: tuple[Phase, ...] = ("mixture", "pu", "wiener")


class PhaseStream(Protocol):
    """Masks and the mix in, spectra of stems out, block by block."""

    def reset(self) -> None:
        """Forget the track."""

    def push(self, masks: Tensor, mix: Tensor) -> Tensor:
        """Take frames, return the spectra that are done.

        Shape: `(2, channels, bins, frames)` in 0..1 and `(channels, bins, frames)` complex to
        `(stems, channels, bins, frames)` complex.
        """
        raise NotImplementedError

    def finish(self) -> Tensor | None:
        """Return the rest; None if there is none."""
        raise NotImplementedError


class MixturePhase:
    """Masks times the mix.

    Args:
        rows: places of the stems that come out, among `PAIR`.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self._rows = list(rows)

    def reset(self) -> None:
        """Nothing is remembered."""

    def push(self, masks: Tensor, mix: Tensor) -> Tensor:
        """See `PhaseStream`."""
        return masks[self._rows] * mix

    def finish(self) -> Tensor | None:
        """Nothing is left."""
        return None


class WienerPhase:
    """The multichannel Wiener filter, one iteration in windows of 300 frames.

    What the masks leave over takes part as a third stem, so that nobody has to take it.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self._rows = list(rows)
        self._filter = WienerStream()

    def reset(self) -> None:
        """Forget the track."""
        self._filter.reset()

    def push(self, masks: Tensor, mix: Tensor) -> Tensor:
        """See `PhaseStream`."""
        # Torch rounds the magnitude of other memory layouts otherwise.
        magnitude = mix.contiguous().abs()
        left_over = (1 - masks.sum(dim=0, keepdim=True)).clamp_(min=0)
        shares = torch.cat((masks, left_over))
        return self._filter.push(shares * magnitude, mix)[self._rows]

    def finish(self) -> Tensor | None:
        """The last window."""
        return self._filter.finish()[self._rows]


class UnwrappedPhase:
    """Phase unwrapping for the harmonic stem, the mixing error shared: PU-HPSS, 50 iterations.

    Args:
        rows: places of the stems that come out, among `PAIR`.
        stft: the transform.
    """

    def __init__(self, rows: Sequence[int], stft: STFTConfig) -> None:
        # Compiled when it is imported, which only those should wait for who use it.
        from unmixcli.dsp.phase import PhaseUnwrapping, PhaseUnwrappingStream

        self._rows = list(rows)
        self._unwrapping = PhaseUnwrappingStream(
            PhaseUnwrapping(n_fft=stft.n_fft, hop_samples=stft.hop_samples)
        )

    def reset(self) -> None:
        """Forget the track."""
        self._unwrapping.reset()

    def push(self, masks: Tensor, mix: Tensor) -> Tensor:
        """See `PhaseStream`."""
        magnitude = mix.contiguous().abs()
        return self._unwrapping.push(masks * magnitude, mix)[self._rows]

    def finish(self) -> Tensor | None:
        """Nothing is left."""
        return None


def open_phase(phase: Phase, *, stems: Sequence[str], stft: STFTConfig) -> PhaseStream:
    """The stream of a name, giving these stems of `PAIR` in this order."""
    rows = [PAIR.index(stem) for stem in stems]
    makers: dict[Phase, Callable[[], PhaseStream]] = {
        "mixture": lambda: MixturePhase(rows),
        "pu": lambda: UnwrappedPhase(rows, stft),
        "wiener": lambda: WienerPhase(rows),
    }
    return makers[phase]()
