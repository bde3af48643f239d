"""Phase recovery: magnitudes of stems and their mix become complex stems."""

from __future__ import annotations

from unmixcli.dsp.phase.unwrapping import (
    PhaseUnwrapping,
    PhaseUnwrappingStream,
    frequencies,
    mixing_error,
    recover_phases,
)

__all__ = [
    "PhaseUnwrapping",
    "PhaseUnwrappingStream",
    "frequencies",
    "mixing_error",
    "recover_phases",
]
