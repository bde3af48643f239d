"""Songs whose voice is a gliding tone of known pitch, and a recipe of wired U-Nets for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
HOP = 64
LOWEST_HZ, OCTAVES = 110.0, 2

RECIPE = f"""
name = "sung"
seed = 3
[data]
pitch = "annotation"
hold_out = 3
[[data.train]]
path = "songs"
[excerpts]
seconds = 0.5
batch = 2
[network]
architecture = "pitch_unets"
stems = ["vocals", "accompaniment"]
residual = "accompaniment"
sample_rate = {RATE}
channels = 1
[network.stft]
n_fft = 256
hop_samples = {HOP}
[network.pitch]
hop_samples = {HOP}
f_min_hz = 55.0
bins_per_octave = 12
bins = 48
threshold = 0.4
[network.chunks]
length = 32
context = 4
overlap = 4
multiple = 8
[network.parameters]
wiring = "source-pitch"
bins = 128
harmonics = [1.0, 2.0]
compression = 0.4
[network.parameters.network]
filters = [8, 12, 16]
kernel = 4
dropout = 0.0
[loss]
l1_magnitude = 1.0
bce_salience = 10.0
[optimiser]
learning_rate = 3e-3
ema = 0.5
[schedule]
steps = 4
[validation]
every = 2
seconds = 1
"""


def glide(seconds: float, *, seed: int = 0) -> np.ndarray:
    """Pitch in Hz of each sample: up two octaves, with a pause in the middle."""
    share = np.linspace(0, 1, round(seconds * RATE), endpoint=False)
    f0_hz = LOWEST_HZ * 2 ** (OCTAVES * ((share + 0.1 * seed) % 1))
    return np.where(np.abs(share - 0.5) < 0.1, 0.0, f0_hz)


def voice(f0_hz: np.ndarray) -> np.ndarray:
    """Two partials of a pitch, silence where it is 0."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    return np.where(f0_hz > 0, 0.2 * np.sin(phase) + 0.1 * np.sin(2 * phase), 0.0)


def write_sung(
    folder: Path, *, seed: int = 0, seconds: float = 2.0, annotated: bool = True
) -> np.ndarray:
    """A song with a voice and noise; the pitch of its samples in Hz."""
    f0_hz = glide(seconds, seed=seed)
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    soundfile.write(folder / "vocals.wav", voice(f0_hz), RATE, subtype="FLOAT")
    noise = 0.05 * random.standard_normal(len(f0_hz))
    soundfile.write(folder / "accompaniment.wav", noise, RATE, subtype="FLOAT")
    if annotated:
        step = RATE // 200
        lines = (f"{i / RATE:.5f},{f0_hz[i]:.4f}\n" for i in range(0, len(f0_hz), step))
        (folder / "vocals_f0.csv").write_text("".join(lines), encoding="utf-8")
    return f0_hz
