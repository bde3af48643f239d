"""A sampled instrument: which file sounds at which pitch and how loudly it was played."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmixcli.data.render.names import SampleName, parse_name
from unmixcli.data.render.recordings import one_shot
from unmixcli.data.render.tracker import track_pitch

_FEWEST = 3
# Files without a pitch in their names are an instrument only where there are many.
_FEWEST_UNNAMED = 12
_LISTENED_S = 1.5
_LISTENED_FILES = 9
_MOST_MISTUNED, _MAJORITY = 0.7, 0.6
_LOWEST_HZ, _HIGHEST_HZ = 26.0, 1500.0


@dataclass(frozen=True)
class Sample:
    """A file, the MIDI number at which it sounds, and how loudly it was played in [0, 1]."""

    path: Path
    pitch: float
    dynamic: float


@dataclass(frozen=True)
class SampleSet:
    """One articulation of one instrument; samples in the order of pitch, then loudness."""

    name: str
    samples: tuple[Sample, ...]

    def choose(self, pitch: float, velocity: float, *, turn: int = 0) -> Sample:
        """The sample for a note: nearest in pitch, then in loudness, alternatives in turn."""
        distance = min(abs(sample.pitch - pitch) for sample in self.samples)
        near = [s for s in self.samples if abs(s.pitch - pitch) <= distance + 0.5]
        layer = min((s.dynamic for s in near), key=lambda dynamic: abs(dynamic - velocity))
        alike = [s for s in near if s.dynamic == layer]
        return alike[turn % len(alike)]

    @property
    def lowest(self) -> float:
        """The lowest pitch of a sample."""
        return self.samples[0].pitch

    @property
    def highest(self) -> float:
        """The highest pitch of a sample."""
        return self.samples[-1].pitch


def articulations(files: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Files of a folder by instrument and articulation, told from names alone.

    Left out are noises of release and groups too small for an instrument.
    """
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        name = parse_name(path.stem)
        if not name.release:
            groups[name.articulation].append(path)
    return {name: tuple(paths) for name, paths in groups.items() if _is_instrument(paths)}


def _is_instrument(paths: Sequence[Path]) -> bool:
    named = {(n.pitch, n.pitch_class) for n in (parse_name(path.stem) for path in paths)}
    named.discard((None, None))
    return len(named) >= _FEWEST or (not named and len(paths) >= _FEWEST_UNNAMED)


@functools.lru_cache(maxsize=64)
def load_sample_set(name: str, paths: tuple[Path, ...]) -> SampleSet | None:
    """The instrument in files of one articulation; None where no pitch can be made out.

    Names give the pitch where they can, but makers count octaves from different Cs and tune to
    different As: a few files are listened to and the majority decides. Others are listened to one
    by one.
    """
    parsed = [(path, parse_name(path.stem)) for path in paths]
    named = [(path, n.pitch) for path, n in parsed if n.pitch is not None]
    shift = _shift(paths) if len(named) * 2 > len(parsed) else None
    layers = max((n.layer or 0 for _, n in parsed), default=0)
    samples = []
    for path, told in parsed:
        pitch = _pitch(path, told, shift=shift)
        if np.isfinite(pitch):
            samples.append(Sample(path, pitch, _dynamic(told, layers)))
    if len(samples) < _FEWEST:
        return None
    samples.sort(key=lambda sample: (sample.pitch, sample.dynamic, sample.path.name))
    return SampleSet(name, tuple(samples))


def _dynamic(told: SampleName, layers: int) -> float:
    if told.dynamic is not None:
        return told.dynamic
    assert told.layer is not None
    return told.layer / layers


def _pitch(path: Path, told: SampleName, *, shift: float | None) -> float:
    if told.pitch is not None and shift is not None:
        return told.pitch + shift
    heard = _heard(path)
    pitch_class = told.pitch_class if told.pitch is None else told.pitch % 12
    if pitch_class is None:
        return heard
    return float(pitch_class + 12.0 * np.round((heard - pitch_class) / 12.0))


def _shift(paths: Sequence[Path]) -> float:
    """Semitones from named pitches to those that sound: octaves, and the tuning of the set.

    Where an articulation is too noisy to tell, the others in its folders do.
    """
    folders = sorted({path.parent for path in paths})
    alike = sorted(p for f in folders for p in f.iterdir() if p.suffix == paths[0].suffix)
    for group in (paths, alike):
        shift = _agreed_shift(group)
        if shift is not None:
            return shift
    return 0.0


def _agreed_shift(paths: Sequence[Path]) -> float | None:
    """What most of some files agree upon; None where they do not."""
    named = [(path, pitch) for path in paths if (pitch := parse_name(path.stem).pitch) is not None]
    step = max(1, len(named) // _LISTENED_FILES)
    offsets = np.array([_heard(path) - pitch for path, pitch in named[::step]])
    heard = offsets[np.isfinite(offsets)]
    if len(heard) < _FEWEST:
        return None
    octaves = 12.0 * np.round(np.median(heard) / 12.0)
    rest = heard - octaves
    near = np.abs(rest) < _MOST_MISTUNED
    return float(octaves + np.median(rest[near])) if near.mean() >= _MAJORITY else None


@functools.lru_cache(maxsize=2048)
def _heard(path: Path) -> float:
    samples, rate = one_shot(path, longest_s=_LISTENED_S)
    mono = samples.mean(axis=0)
    track = track_pitch(mono, sample_rate=rate, lowest_hz=_LOWEST_HZ, highest_hz=_HIGHEST_HZ)
    return track.median
