"""Salience whose pitch is known, and a stream that gives it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.pitch.f0 import Floats, Lines, join_lines

AXIS = SalienceAxis()


def ridge(f0_hz: np.ndarray, *, height: float = 0.9, width_cents: float = 30.0) -> Floats:
    """A Gaussian around each frame's pitch, nothing where it is 0: `(bins, frames)`."""
    with np.errstate(divide="ignore"):
        places = AXIS.bin_of(np.asarray(f0_hz, dtype=np.float64))
    cents = 1200 / AXIS.bins_per_octave * (np.arange(AXIS.bins)[:, None] - places)
    return np.where(np.asarray(f0_hz) > 0, height * np.exp(-0.5 * (cents / width_cents) ** 2), 0.0)


def cents(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return 1200 * np.log2(np.asarray(found) / np.asarray(true))


def decoded(decoder: object, salience: Floats, block: int | None = None) -> Lines:
    block = block or max(1, salience.shape[1])
    parts = [
        decoder.push(salience[:, start : start + block])
        for start in range(0, salience.shape[1], block)
    ]
    return join_lines([*parts, decoder.finish()])


class KnownSalience:
    """The pitch of a track by a rule; its one stem is half the track."""

    axis = AXIS
    sample_rate = 22050
    hop_samples = 256
    stems = ("vocals",)

    def __init__(self, rule: Callable[[np.ndarray], Floats]) -> None:
        self._rule = rule
        self.reset()

    def reset(self) -> None:
        self._samples = self._frames = 0

    def push(self, block: Tensor) -> Tensor:
        self._samples += block.shape[-1]
        return self._until(self._samples // self.hop_samples)

    def finish(self) -> Tensor:
        return self._until(1 + self._samples // self.hop_samples if self._samples else 0)

    def push_both(self, block: Tensor) -> tuple[Tensor, Tensor]:
        return 0.5 * block[None], self.push(block)

    def finish_both(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(1, 2, 0), self.finish()

    def _until(self, frames: int) -> Tensor:
        times = np.arange(self._frames, frames) * self.hop_samples / self.sample_rate
        self._frames = max(frames, self._frames)
        return torch.from_numpy(self._rule(times).astype(np.float32))
