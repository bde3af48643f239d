"""Tracks, estimates and runs that take a fraction of a second each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from unmixcli.data.tracks import Manifest, Track
from unmixcli.evaluation.estimates import Audio, FolderEstimator, Melody, Share
from unmixcli.evaluation.events import Event, Summary
from unmixcli.evaluation.hashes import FileHashes, digest
from unmixcli.evaluation.run import evaluate
from unmixcli.evaluation.settings import EvalSettings

RATE = 8000
SECONDS = 3
QUICK = EvalSettings(metrics=("bsseval", "sisdr"), audio=False)


def noise(seed: int, *, level: float = 0.1, channels: int = 1, seconds: float = SECONDS) -> Audio:
    """Noise `(channels, samples)`."""
    shape = (channels, round(seconds * RATE))
    return (level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def write_stems(folder: Path, stems: Mapping[str, Audio], *, rate: int = RATE) -> Path:
    """A track's folder with a file a stem."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples.T, rate, subtype="FLOAT")
    return folder


def stems_of(seed: int) -> dict[str, Audio]:
    return {"vocals": noise(2 * seed), "accompaniment": noise(2 * seed + 1, level=0.2)}


class Blend:
    """Estimates that are the reference plus a share of the other stem; counts its calls."""

    def __init__(self, share: float = 0.3, *, name: str = "blend") -> None:
        self.name = name
        self.calls: list[str] = []
        self._share = share

    def stems(self, track: Track) -> tuple[str, ...]:
        return ("vocals", "accompaniment")

    def fingerprint(self, track: Track, hashes: FileHashes) -> str:
        return digest(self._share)

    def estimate(
        self, track: Track, mix: Audio, *, sample_rate: int, share: Share
    ) -> Mapping[str, Audio]:
        self.calls.append(track.name)
        share(1.0)
        (voice,), (backing,) = (
            soundfile.read(track.stems[name][0].path, always_2d=True, dtype="float32")[0].T
            for name in ("vocals", "accompaniment")
        )
        mixed = voice + self._share * backing
        return {"vocals": mixed[None], "accompaniment": mix - mixed[None]}

    def melody(self, track: Track, mix: Audio, *, sample_rate: int) -> Melody | None:
        return None


class Events(list[Event]):
    """A listener that keeps what it is told."""

    def __call__(self, event: Event) -> None:
        self.append(event)


def quick_run(
    manifest: Manifest,
    folder: Path,
    estimator: Blend | FolderEstimator | None = None,
    settings: EvalSettings = QUICK,
    **options: int,
) -> Summary:
    return evaluate(
        manifest,
        estimator or Blend(),
        settings,
        folder=folder,
        listener=Events(),
        **options,
    )


def scores(folder: Path) -> dict[str, bytes]:
    """Every JSON of scores by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.json"))
    }
