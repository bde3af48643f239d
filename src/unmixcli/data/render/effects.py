"""What a mixing desk does to a stem: equaliser, compressor, saturation, reverberation, place.

Shape: `(2, samples)` to the same, unless said otherwise; inputs are not changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve, sosfilt

from unmixcli.data.render.notes import Audio

_HOP_SAMPLES = 128


def tilted(sound: Audio, *, low_db: float, high_db: float, sample_rate: int) -> Audio:
    """Shelves below 200 Hz and above 3 kHz."""
    sections = np.stack(
        [
            _shelf(200.0 / sample_rate, low_db, high=False),
            _shelf(3000.0 / sample_rate, high_db, high=True),
        ]
    )
    return np.asarray(sosfilt(sections, sound), np.float32)


def compressed(
    sound: Audio, *, threshold_db: float, ratio: float, release_s: float, sample_rate: int
) -> Audio:
    """Less dynamics above a threshold relative to the stem's own loud level."""
    level = _hop_peaks(sound)
    loud = float(np.quantile(level, 0.95)) if len(level) else 0.0
    if loud <= 0:
        return sound
    held = _released(level, release_s * sample_rate / _HOP_SAMPLES)
    over_db = np.maximum(20 * np.log10(np.maximum(held / loud, 1e-6)) - threshold_db, 0.0)
    gain = 10 ** (-over_db * (1 - 1 / ratio) / 20)
    return sound * _per_sample(gain, sound.shape[1])


def saturated(sound: Audio, *, drive: float) -> Audio:
    """Soft clipping that leaves small signals as they are, relative to the loud level."""
    peak = float(np.abs(sound).max(initial=0.0))
    if peak <= 0 or drive <= 0:
        return sound
    scale = np.float32(drive / peak)
    return np.asarray(np.tanh(sound * scale) / scale, np.float32)


def with_reverb(sound: Audio, impulse: Audio, *, wet: float) -> Audio:
    """The sound with a share of its echo; `impulse` is `(2, samples)` with an energy of 1."""
    if wet <= 0 or not np.any(sound):
        return sound
    # Convolution of the sum costs half and keeps the width of the room.
    mono = 0.5 * (sound[:1] + sound[1:])
    echo = oaconvolve(mono, impulse, axes=-1)[:, : sound.shape[1]]
    return np.asarray(sound + np.float32(wet) * echo, np.float32)


def placed(sound: Audio, place: float) -> Audio:
    """The sound moved between left -1 and right 1 with constant power."""
    angle = (place + 1.0) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.float32(np.sqrt(2))
    return np.asarray(sound * gains, np.float32)


def made_up_impulse(random: np.random.Generator, *, seconds: float, sample_rate: int) -> Audio:
    """The reverberation of a room: decaying noise, darker with time, `(2, samples)`."""
    samples = round(seconds * sample_rate)
    decay = np.exp(-6.9 * np.arange(samples) / samples)
    noise = random.standard_normal((2, samples)) * decay
    dark = lfilter([0.35], [1.0, -0.65], noise, axis=-1)
    return unit_energy(np.asarray(dark, np.float32))


def unit_energy(impulse: Audio) -> Audio:
    """An impulse response scaled to an energy of 1 a channel on average."""
    energy = float(np.mean(np.sum(impulse.astype(np.float64) ** 2, axis=1)))
    return np.asarray(impulse / np.float32(np.sqrt(max(energy, 1e-12))), np.float32)


def _shelf(frequency: float, gain_db: float, *, high: bool) -> NDArray[np.float64]:
    """A shelving biquad (Bristow-Johnson's cookbook, slope 1); frequency as a share of the rate."""
    root = 10 ** (gain_db / 40)
    omega = 2 * np.pi * frequency
    cosine = np.cos(omega) * (-1.0 if high else 1.0)
    # For slope 1, 2 * sqrt(A) * alpha is this.
    width = np.sqrt(2.0 * root) * np.sin(omega)
    plus, minus = root + 1, root - 1
    sign = -1.0 if high else 1.0
    shelf: NDArray[np.float64] = np.array(
        [
            root * (plus - minus * cosine + width),
            sign * 2 * root * (minus - plus * cosine),
            root * (plus - minus * cosine - width),
            plus + minus * cosine + width,
            -sign * 2 * (minus + plus * cosine),
            plus + minus * cosine - width,
        ]
    ) / (plus + minus * cosine + width)
    return shelf


def _hop_peaks(sound: Audio) -> NDArray[np.float64]:
    """The largest magnitude of every 128 samples, `(hops,)`."""
    hops = -(-sound.shape[1] // _HOP_SAMPLES)
    padded = np.pad(np.abs(sound).max(axis=0), (0, hops * _HOP_SAMPLES - sound.shape[1]))
    return np.asarray(padded.reshape(hops, _HOP_SAMPLES).max(axis=1), np.float64)


def _released(level: NDArray[np.float64], hops: float) -> NDArray[np.float64]:
    """The level, falling no faster than to 1/e in so many hops."""
    keep = float(np.exp(-1.0 / max(hops, 1e-6)))
    held, state = np.empty_like(level), 0.0
    for at, value in enumerate(level.tolist()):
        state = max(value, state * keep)
        held[at] = state
    return held


def _per_sample(gain: NDArray[np.float64], samples: int) -> Audio:
    centres = (np.arange(len(gain)) + 0.5) * _HOP_SAMPLES
    return np.interp(np.arange(samples), centres, gain).astype(np.float32)
