"""Pitch of one voice by YIN (de Cheveigné and Kawahara, 2002), all frames at once.

Good enough to tune samples and to find the key of a phrase; it is never an annotation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmixcli.audio.resample import resample
from unmixcli.data.render.notes import Audio

_RATE = 16000
_HOP_SAMPLES = 320
_SURE = 0.15
_QUIET_DB = -45.0


@dataclass(frozen=True)
class PitchTrack:
    """Pitch in frames: MIDI numbers, NaN where there is none, and the level of each, linear.

    Shape: `(frames,)` each; frame t starts at `t * hop_s`.
    """

    pitch: NDArray[np.float64]
    level: NDArray[np.float64]
    hop_s: float = _HOP_SAMPLES / _RATE

    @property
    def median(self) -> float:
        """The middle pitch of the loud frames, NaN where none of them has any."""
        loud = self.level > 0.1 * self.level.max(initial=0.0)
        voiced = self.pitch[np.isfinite(self.pitch) & loud]
        return float(np.median(voiced)) if len(voiced) else float("nan")


def track_pitch(
    samples: Audio, *, sample_rate: int, lowest_hz: float = 70.0, highest_hz: float = 1100.0
) -> PitchTrack:
    """The pitch of `(samples,)` every 20 ms."""
    mono = resample(samples[None], from_rate=sample_rate, to_rate=_RATE)[0].astype(np.float64)
    longest, shortest = int(_RATE / lowest_hz) + 2, max(2, int(_RATE / highest_hz))
    window = longest
    padded = np.pad(mono, (0, window + longest + _HOP_SAMPLES))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window + longest)[::_HOP_SAMPLES]
    frames = frames[: max(1, len(mono) // _HOP_SAMPLES)]
    level = np.sqrt(np.mean(frames[:, :window] ** 2, axis=1))
    normal = _normalised_difference(frames, window)
    lags, found = _first_dips(normal, shortest)
    loud = level > level.max(initial=0.0) * 10 ** (_QUIET_DB / 20)
    with np.errstate(divide="ignore"):
        pitch = 69.0 + 12.0 * np.log2(_RATE / lags / 440.0)
    return PitchTrack(np.where(found & loud & (level > 0), pitch, np.nan), level)


def _normalised_difference(frames: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The cumulative mean normalised difference of each frame, `(frames, lags)`."""
    length = frames.shape[1]
    size = 1 << (length + window - 1).bit_length()
    spectrum = np.fft.rfft(frames, size)
    start = np.fft.rfft(frames[:, :window], size)
    lags = length - window
    correlation = np.fft.irfft(spectrum * start.conj(), size)[:, : lags + 1]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    powers = energy[:, window : window + lags + 1] - energy[:, : lags + 1]
    difference = np.maximum(powers[:, :1] + powers - 2 * correlation, 0.0)
    difference[:, 0] = 0.0
    running = np.cumsum(difference, axis=1)
    steps = np.arange(lags + 1)
    return np.where(running > 0, difference * steps / np.maximum(running, 1e-30), 1.0)


def _first_dips(
    normal: NDArray[np.float64], shortest: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The first lag that dips below the threshold, between samples, and whether there is one."""
    inner = normal[:, 1:-1]
    dips = (inner < _SURE) & (inner <= normal[:, :-2]) & (inner < normal[:, 2:])
    dips[:, : shortest - 1] = False
    at = dips.argmax(axis=1) + 1
    rows = np.arange(len(normal))
    left, middle, right = (normal[rows, at + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend > 0, 0.5 * (left - right) / np.where(bend > 0, bend, 1.0), 0.0)
    lags = np.asarray(at + np.clip(shift, -0.5, 0.5), np.float64)
    return lags, np.asarray(dips.any(axis=1))
