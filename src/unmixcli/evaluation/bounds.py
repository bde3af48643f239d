"""Oracles of whole tracks: what a mask could do at best, in bounded memory where it is local.

A mask of one frame knows nothing of others, so a track may be cut into pieces that overlap by
more than a window, on the grid of the frames. The multichannel Wiener oracle has one spatial
covariance a track and sees it whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unmixcli.evaluation.material import SILENT_RMS, Material, rms
from unmixcli.metrics import oracles

_WHOLE = frozenset({"mwf"})
_FRAME = oracles.Transform()
# Multiples of the hop, so that every frame lies where it would in the whole track.
_PIECE_SAMPLES = 2000 * _FRAME.hop_samples
_CONTEXT_SAMPLES = 2 * _FRAME.n_fft


def oracle_estimates(name: str, material: Material) -> Tensor:
    """The estimates of an oracle, `(targets, channels, samples)`.

    Where the targets are not the whole mix, the rest is one stem more for the oracle to tell
    them from. Raises `UsageError` for an unknown oracle.
    """
    stems, count = _with_rest(material), len(material.targets)
    if name in _WHOLE:
        return oracles.evaluate(name, stems, material.mix)[:count]
    pieces = [
        oracles.evaluate(name, stems[..., start:stop], material.mix[..., start:stop])[
            :count, :, skip : skip + length
        ]
        for start, stop, skip, length in _pieces(material.mix.shape[-1])
    ]
    return torch.cat(pieces, dim=-1)


def _with_rest(material: Material) -> Tensor:
    rest = material.mix - material.references.sum(dim=0)
    if rms(rest) < SILENT_RMS:
        return material.references
    return torch.cat([material.references, rest[None]])


def _pieces(samples: int) -> Iterator[tuple[int, int, int, int]]:
    """Where each piece starts and stops with its context, and what of it is kept."""
    for at in range(0, samples, _PIECE_SAMPLES):
        start = max(0, at - _CONTEXT_SAMPLES)
        stop = min(samples, at + _PIECE_SAMPLES + _CONTEXT_SAMPLES)
        yield start, stop, at - start, min(_PIECE_SAMPLES, samples - at)
