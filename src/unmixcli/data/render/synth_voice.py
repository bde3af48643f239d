"""A synthetic singer: a pulse train through the resonances of vowels, its pitch known exactly.

The pitch is a curve of points 5 ms apart, straight in between on the scale of MIDI numbers, and
its points are what is written as annotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from unmixcli.data.render.notes import Audio, Note
from unmixcli.data.render.pitch_curve import POINT_S, PitchCurve
from unmixcli.data.render.synth import oscillate, wavetable

# Resonances of vowels in Hz, a man's (Peterson and Barney, 1952), and their levels.
_VOWELS = {
    "a": (730.0, 1090.0, 2440.0, 3400.0),
    "e": (530.0, 1840.0, 2480.0, 3500.0),
    "i": (270.0, 2290.0, 3010.0, 3700.0),
    "o": (570.0, 840.0, 2410.0, 3300.0),
    "u": (300.0, 870.0, 2240.0, 3200.0),
}
_LEVELS = (1.0, 0.6, 0.35, 0.2)
_BANDWIDTHS_HZ = (80.0, 100.0, 140.0, 200.0)
_GLIDE_S = 0.06
_EDGE_S = 0.025
_HIGHEST_HZ = 15000.0


@dataclass(frozen=True)
class Singer:
    """How a synthetic singer sings: size of the mouth, vibrato, wavering of the pitch, breath."""

    scale: float
    vibrato_hz: float
    vibrato_semitones: float
    drift_semitones: float
    breath: float


def random_singer(random: np.random.Generator) -> Singer:
    """A singer by chance."""
    return Singer(
        scale=float(random.uniform(0.95, 1.3)),
        vibrato_hz=float(random.uniform(4.8, 6.5)),
        vibrato_semitones=float(random.uniform(0.1, 0.5)),
        drift_semitones=float(random.uniform(0.03, 0.15)),
        breath=float(random.uniform(0.005, 0.04)),
    )


def sing(
    notes: Sequence[Note],
    singer: Singer,
    random: np.random.Generator,
    *,
    samples: int,
    sample_rate: int,
) -> tuple[Audio, PitchCurve]:
    """The notes sung on changing vowels, `(samples,)`, and the pitch; notes do not overlap."""
    count = int(samples / sample_rate / POINT_S) + 2
    points = np.arange(count, dtype=np.float64) * POINT_S
    midi, level = _curves(notes, singer, points)
    midi += singer.drift_semitones * _drift(random, count)
    curve = _annotation(midi, level, points, length_s=samples / sample_rate)
    time = np.arange(samples) / sample_rate
    f0_hz = 440.0 * np.exp2((np.interp(time, points, midi) - 69.0) / 12.0)
    phase = np.cumsum(f0_hz) / sample_rate
    highest = max(1, int(min(_HIGHEST_HZ, 0.45 * sample_rate) / f0_hz.max()))
    pulse = oscillate(phase, wavetable("saw", highest))
    noise = random.standard_normal(samples).astype(np.float32)
    source = pulse + np.float32(singer.breath) * noise
    loudness = np.interp(time, points, level).astype(np.float32)
    voice = _through_vowels(source * loudness, notes, singer, random, sample_rate)
    return voice + _consonants(notes, noise, random, sample_rate), curve


def _curves(
    notes: Sequence[Note], singer: Singer, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pitch as MIDI numbers and level at the points; pitch is held where nothing is sung."""
    midi = np.full(len(points), float(notes[0].pitch) if notes else 60.0)
    level = np.zeros(len(points))
    before = None
    for note in notes:
        end = note.start_s + note.length_s
        here = (points >= note.start_s) & (points < end)
        since = points - note.start_s
        # Singers slide into a note and begin the vibrato when it has settled.
        start = note.pitch - 0.7 if before is None else before
        glide = np.clip(since / _GLIDE_S, 0.0, 1.0)
        depth = singer.vibrato_semitones * np.clip((since - 0.2) / 0.3, 0.0, 1.0)
        vibrato = depth * np.sin(2 * np.pi * singer.vibrato_hz * since)
        pitch = start + (note.pitch - start) * glide + vibrato
        midi[here] = pitch[here]
        midi[points >= end] = note.pitch
        edges = np.clip(np.minimum(since, end - points) / _EDGE_S, 0.0, 1.0)
        level[here] = (note.velocity * edges)[here]
        before = note.pitch
    return midi, level


def _drift(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Noise of some 3 Hz with a deviation of 1, `(count,)`: no voice holds a pitch exactly."""
    sections = butter(1, 3.0 * POINT_S * 2, output="sos")
    slow = np.asarray(sosfilt(sections, random.standard_normal(count + 200))[200:], np.float64)
    return slow / max(float(slow.std()), 1e-9)


def _annotation(
    midi: NDArray[np.float64],
    level: NDArray[np.float64],
    points: NDArray[np.float64],
    *,
    length_s: float,
) -> PitchCurve:
    inside = points < length_s
    f0_hz = np.where(level > 0, 440.0 * np.exp2((midi - 69.0) / 12.0), 0.0)
    return PitchCurve(points[inside], f0_hz[inside])


def _through_vowels(
    source: Audio,
    notes: Sequence[Note],
    singer: Singer,
    random: np.random.Generator,
    rate: int,
) -> Audio:
    """The source through a vowel a note, cross-faded from note to note."""
    names = list(_VOWELS)
    chosen = [names[int(random.integers(len(names)))] for _ in notes]
    time = np.arange(len(source)) / rate
    voice = np.zeros_like(source)
    for vowel in sorted(set(chosen)):
        corners, weights = [0.0], [0.0]
        for note, name in zip(notes, chosen, strict=True):
            corners += [note.start_s, note.start_s + 0.04]
            weights += [weights[-1], float(name == vowel)]
        weight = np.interp(time, corners, weights).astype(np.float32)
        voice += weight * _resonate(source, vowel, singer.scale, rate)
    return voice


def _resonate(source: Audio, vowel: str, scale: float, rate: int) -> Audio:
    sound = np.zeros_like(source)
    for centre, width, level in zip(_VOWELS[vowel], _BANDWIDTHS_HZ, _LEVELS, strict=True):
        radius = np.exp(-np.pi * width / rate)
        angle = 2 * np.pi * centre * scale / rate
        poles = [1.0, -2 * radius * np.cos(angle), radius**2]
        gain = (1 - radius**2) * level
        sound += lfilter([gain, 0.0, -gain], poles, source).astype(np.float32)
    return sound


def _consonants(
    notes: Sequence[Note], noise: Audio, random: np.random.Generator, rate: int
) -> Audio:
    """Short hisses before some of the notes."""
    level = np.zeros_like(noise)
    for note in notes:
        if random.random() < 0.35:
            length = int(random.uniform(0.03, 0.09) * rate)
            end = max(0, round(note.start_s * rate))
            start = max(0, end - length)
            shape = np.hanning(end - start) * note.velocity * random.uniform(0.02, 0.08)
            level[start:end] = shape
    sections = butter(2, 4500.0, btype="highpass", fs=rate, output="sos")
    return np.asarray(sosfilt(sections, noise) * level, np.float32)
