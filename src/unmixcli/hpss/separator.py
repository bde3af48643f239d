"""A separator around a method that gives masks of frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unmixcli.dsp.stft import STFTConfig
from unmixcli.dsp.wiener import WienerStream
from unmixcli.hpss.method import PAIR, FrameMethod
from unmixcli.separation.masked import MaskSeparator, MaskSettings
from unmixcli.separation.phase import Phase, PhaseStream, UnwrappedPhase, WienerPhase
from unmixcli.separation.sparing import Notice


class HPSSSeparator(MaskSeparator):
    """Blocks of the mix in, blocks of stems out; each channel by itself but for Wiener phase.

    Args:
        method: gives the masks.
        stems: those that come out, of harmonic and percussive.
        sample_rate: Hz.
        phase: how spectra are made of the masks.
        device: where it runs.
        measured: is told measures of the spectra at the end of each track.
    """

    def __init__(
        self,
        method: FrameMethod,
        *,
        stems: Sequence[str],
        sample_rate: int,
        phase: Phase = "mixture",
        device: torch.device | None = None,
        measured: Notice | None = None,
    ) -> None:
        settings = MaskSettings(
            sample_rate=sample_rate,
            channels=None,
            stft=method.stft,
            chunks=method.chunks,
            device=device or torch.device("cpu"),
        )
        super().__init__(
            method.masks,
            settings=settings,
            sources=PAIR,
            stems=stems,
            phase=_phase(phase, method.stft),
            measured=measured,
        )


def _phase(phase: Phase, stft: STFTConfig) -> PhaseStream | None:
    """The stream of a name; None where masks times the mix are what is wanted."""
    if phase == "wiener":
        return WienerPhase(WienerStream(), left_over=True)
    return UnwrappedPhase(PAIR, stft) if phase == "pu" else None
