"""Recorded sounds, decoded once, without offset, and shifted in pitch by resampling."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import soxr
from scipy.signal import butter, sosfilt

from unmixcli.audio.read import read_audio
from unmixcli.data.render.notes import Audio

_HIGH_PASS_HZ = 20.0
_ONSET_DB = -40.0
_BEFORE_ONSET_S = 0.002


# Some 200 MB; every process has its own.
@functools.lru_cache(maxsize=160)
def one_shot(path: Path, *, longest_s: float) -> tuple[Audio, int]:
    """The sound in a file from its onset on, `(channels, samples)`, peak 1, and its rate in Hz.

    The array is shared between callers: do not write to it. What a sample lacks is an even level:
    some have an offset, some silence before the sound. Errors as `read_audio`.
    """
    samples, rate = read_audio(path, duration_s=longest_s)
    # A filter alone would answer the step at the start of an offset with a thump.
    centred = samples - samples.mean(axis=1, keepdims=True) if samples.size else samples
    clean = high_passed(centred, sample_rate=rate, corner_hz=_HIGH_PASS_HZ)
    peak = float(np.abs(clean).max(initial=0.0))
    if peak <= 0.0:
        return clean, rate
    loud = np.abs(clean).max(axis=0) > peak * 10 ** (_ONSET_DB / 20)
    onset = max(0, int(loud.argmax()) - round(_BEFORE_ONSET_S * rate))
    cut = clean[:, onset:] / np.float32(peak)
    rise = min(round(_BEFORE_ONSET_S * rate), cut.shape[1])
    cut[:, :rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
    cut.setflags(write=False)
    return cut, rate


def high_passed(samples: Audio, *, sample_rate: int, corner_hz: float) -> Audio:
    """The sound without what is below a corner, 12 dB an octave; shape as given."""
    sections = butter(2, corner_hz, btype="highpass", fs=sample_rate, output="sos")
    return np.asarray(sosfilt(sections, samples), np.float32)


def shifted(samples: Audio, *, semitones: float, from_rate: int, to_rate: int) -> Audio:
    """The sound at another rate and pitch; higher is shorter, as with a tape.

    Shape: `(channels, samples)` or `(samples,)`, and so is the result.
    """
    ratio_rate = from_rate * 2.0 ** (semitones / 12.0)
    if abs(ratio_rate - to_rate) < 1e-6:
        return samples
    changed = soxr.resample(samples.T, ratio_rate, to_rate, quality="HQ")
    return np.ascontiguousarray(changed.T, np.float32)
