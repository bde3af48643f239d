"""How far spectra are from those of any signal.

Spectra that were changed bin by bin are in general not the transform of a signal: S and
STFT(iSTFT(S)) differ, and the listener hears the latter (Griffin and Lim 1984; Le Roux, Ono and
Sagayama 2008).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unmixcli.dsp.stft import InverseSTFTStream, STFTConfig, STFTStream


class InconsistencyStream:
    """The measure of spectra that come in pieces; holds the frames of one window.

    Args:
        config: of the transform.
    """

    def __init__(self, config: STFTConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget the frames."""
        self._inverse = InverseSTFTStream(self.config)
        self._forward = STFTStream(self.config)
        self._pending: Tensor | None = None
        self._frames = 0
        self._energy = 0.0
        self._difference = 0.0

    @torch.no_grad()
    def push(self, spectra: Tensor) -> None:
        """Take frames ``(..., bins, frames)``, complex."""
        self._frames += spectra.shape[-1]
        pending = spectra if self._pending is None else torch.cat((self._pending, spectra), dim=-1)
        self._pending = pending
        self._compare(self._forward.push(self._inverse.push(spectra)))

    @torch.no_grad()
    def finish(self, samples: int | None = None) -> float:
        """Return the energy of S - STFT(iSTFT(S)) over that of S in dB, and start anew.

        Args:
            samples: length of the signal; the default is the longest with so many frames, which is
                as good for edges of zeros. It matters for edges that reflect the signal.

        Returns:
            About -130 for spectra of a signal in single precision; -inf for silence.

        Raises:
            ValueError: if the frames are not those of a signal of `samples`, or there were none.
        """
        if self._pending is None:
            raise ValueError("finish() before any push(): there is no spectrum to measure")
        most = longest(self._frames, config=self.config) if samples is None else samples
        self._compare(self._forward.push(self._inverse.finish(most)))
        self._compare(self._forward.finish())
        energy, difference = self._energy, self._difference
        self.reset()
        return 10 * math.log10(difference / energy) if difference > 0 else -math.inf

    def _compare(self, again: Tensor) -> None:
        assert self._pending is not None
        count = again.shape[-1]
        given, self._pending = self._pending[..., :count], self._pending[..., count:]
        self._energy += _energy(given)
        self._difference += _energy(given - again)


def inconsistency(spectra: Tensor, *, config: STFTConfig, samples: int | None = None) -> float:
    """The energy of S - STFT(iSTFT(S)) over that of S, in dB.

    Shape: `(..., bins, frames)` complex64; all leading axes are summed.

    Args:
        spectra: S.
        config: of the transform.
        samples: as in :meth:`InconsistencyStream.finish`.

    Raises:
        ValueError: if the frames are not those of a signal of `samples`.
    """
    stream = InconsistencyStream(config)
    stream.push(spectra)
    return stream.finish(samples)


def longest(frames: int, *, config: STFTConfig) -> int:
    """Samples of the longest signal that has so many frames."""
    beyond = config.extension_after - config.n_fft // 2
    return max(0, frames * config.hop_samples - 1 - beyond)


def _energy(values: Tensor) -> float:
    return float(torch.view_as_real(values).double().square().sum())
