"""Songs whose stems are sines and noise, and a recipe that trains on them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000

RECIPE = """
name = "small"
seed = 7
checkpoint_every = 1000
[data]
hold_out = 3
[[data.train]]
path = "songs"
[excerpts]
seconds = 0.5
batch = 2
[network]
architecture = "unet_stems"
stems = ["vocals", "drums", "other"]
residual = "other"
sample_rate = 8000
channels = 1
[network.stft]
n_fft = 256
hop_samples = 128
[network.chunks]
length = 32
context = 4
overlap = 4
multiple = 8
[network.parameters]
bins = 128
outputs = ["vocals", "drums"]
[network.parameters.network]
filters = [8, 12, 16]
mask = "ratio"
compression = 0.5
[loss]
l1_magnitude = 1.0
[optimiser]
learning_rate = 3e-3
ema = 0.5
[schedule]
steps = 4
[validation]
every = 2
seconds = 1
"""

# Of the recipes of hpss, what makes their networks small.
SMALL_HPSS = {
    "mad-twinnet-2": (
        "network.parameters.network={seen=60, width=12, context=2, hidden=16}",
        "network.chunks={length=16, context=2}",
        "network.stft={n_fft=256, hop_samples=64, window='hamming'}",
        "excerpts.seconds=0.128",
        "optimiser.learning_rate=0.01",
    ),
    "mdensenet": (
        "network.parameters.network={growth=3, layers=1, depth=2, first=3}",
        "network.parameters.network.kernels=[[3, 3], [5, 3]]",
        "network.chunks={length=16, context=2, multiple=4}",
        "network.stft={n_fft=256, hop_samples=64}",
        "excerpts.seconds=0.25",
        "optimiser.learning_rate=0.01",
    ),
}


def write_song(folder: Path, *, seed: int, seconds: float = 2.0, names: tuple[str, ...]) -> None:
    """A high tone as voice, bursts as drums, a low tone as the rest."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    bursts = random.standard_normal(len(time)) * (np.sin(2 * np.pi * 4 * time) > 0.8)
    stems = {
        "vocals": 0.2 * np.sin(2 * np.pi * (1200 + 100 * seed) * time),
        "drums": 0.1 * bursts,
        "other": 0.2 * np.sin(2 * np.pi * (150 + 10 * seed) * time),
    }
    stems["drums_other"] = stems["drums"] + stems["other"]
    folder.mkdir(parents=True)
    for name in names:
        soundfile.write(folder / f"{name}.wav", stems[name], RATE, subtype="FLOAT")
