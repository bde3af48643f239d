"""A drum machine's sounds: a falling sine for kick and toms, noise for the rest."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from unmixcli.data.render.kit import Kit
from unmixcli.data.render.notes import Audio


def synth_kit(random: np.random.Generator, *, sample_rate: int) -> Kit:
    """A kit whose sounds are drawn by chance."""
    rate = sample_rate
    snare_s, hat_s = float(random.uniform(0.1, 0.25)), float(random.uniform(0.03, 0.08))
    sounds = {
        "kick": _drop(random, base_hz=48, depth=4.0, seconds=0.45, rate=rate),
        "tom_high": _drop(random, base_hz=180, depth=0.6, seconds=0.3, rate=rate),
        "tom_mid": _drop(random, base_hz=130, depth=0.6, seconds=0.35, rate=rate),
        "tom_low": _drop(random, base_hz=90, depth=0.6, seconds=0.4, rate=rate),
        "snare": 0.5 * _drop(random, base_hz=185, depth=0.5, seconds=0.15, rate=rate)
        + _noise(random, 900.0, seconds=snare_s, rate=rate),
        "clap": _noise(random, 1200.0, seconds=0.18, rate=rate),
        "rim": _noise(random, 2500.0, seconds=0.03, rate=rate),
        "hat_closed": _noise(random, 7000.0, seconds=hat_s, rate=rate),
        "hat_open": _noise(random, 7000.0, seconds=0.4, rate=rate),
        "crash": _noise(random, 4000.0, seconds=1.6, rate=rate),
        "ride": _noise(random, 6000.0, seconds=0.6, rate=rate),
    }
    return Kit.of_sounds(sounds, sample_rate=rate)


def _drop(
    random: np.random.Generator, *, base_hz: float, depth: float, seconds: float, rate: int
) -> Audio:
    """A sine that falls to its base, `(1, 2 s)`, and dies away in so many seconds."""
    time = np.arange(2 * rate) / rate
    base = base_hz * random.uniform(0.9, 1.15)
    fall_s = random.uniform(0.02, 0.05)
    phase = base * (time + depth * fall_s * (1 - np.exp(-time / fall_s)))
    sound = np.sin(2 * np.pi * phase) * np.exp(-time / seconds * 3.0)
    return np.asarray(sound[None], np.float32)


def _noise(random: np.random.Generator, corner_hz: float, *, seconds: float, rate: int) -> Audio:
    """Noise above a corner that dies away in so many seconds, `(1, 2 s)`, peak 1."""
    time = np.arange(2 * rate) / rate
    sections = butter(2, corner_hz, btype="highpass", fs=rate, output="sos")
    sound = sosfilt(sections, random.standard_normal(len(time))) * np.exp(-time / seconds * 3.0)
    return np.asarray(sound[None] / np.abs(sound).max(), np.float32)
