"""A small source of sounds: sines, noise, a tune and a drummer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.render.sounds_for_tests import BEAT, beat_bytes, phrases_of, score_bytes, tone, write


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small sounds")
    random = np.random.default_rng(1)
    for piece in ("kick", "snare", "hihat-closed", "hihat-open", "crash-01"):
        burst = random.standard_normal(4000) * np.exp(-np.arange(4000) / 800)
        write(folder / "drums" / "kit" / f"{piece}.flac", (0.2 * burst).astype(np.float32))
    for pitch, name in ((36, "c2"), (43, "g2"), (48, "c3"), (52, "e3")):
        write(folder / "bass" / "sines" / f"{name}_f_rr1.flac", tone(pitch, 2.0))
    for pitch in range(48, 84, 5):
        write(folder / "other" / "keys" / f"note{pitch:03d}-key.flac", tone(pitch, 2.0))
    write(folder / "singing" / "anna" / "anna_01.flac", phrases_of([60, 62, 64, 65, 67]))
    write(folder / "singing" / "anna" / "anna_02.flac", phrases_of([67, 65, 64, 62, 60]))
    for pitch, name in ((57, "A3"), (61, "Db4"), (69, "A4")):
        write(folder / "singing" / "choir" / f"choir_aa_{name}.flac", tone(pitch, 2.0))
    (folder / "scores").mkdir()
    chords = [("C", "major"), ("A", "minor"), ("F", "major"), ("G", "dominant")]
    (folder / "scores" / "tune.musicxml").write_bytes(score_bytes(chords * 2))
    (folder / "scores" / BEAT).write_bytes(beat_bytes())
    room = random.standard_normal((2, 8000)) * np.exp(-np.arange(8000) / 1500)
    write(folder / "impulses" / "room" / "hall.flac", (0.1 * room).astype(np.float32))
    return folder
