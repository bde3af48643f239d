"""Songs to measure on, made from formulas."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import soundfile

DEMO = Path(__file__).resolve().parent.parent / "demo" / "render_song.py"
RATE = 44100


def demo_song() -> np.ndarray:
    """The demo song, `(samples, 2)` float32."""
    spec = importlib.util.spec_from_file_location("render_song", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return np.asarray(sum(module.render().values())).T


def write_song(path: Path, *, seconds: float) -> Path:
    """The demo song again and again, as 16-bit WAV of this length."""
    song = demo_song()
    left = round(seconds * RATE)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        while left > 0:
            file.write(song[:left])
            left -= len(song)
    return path
