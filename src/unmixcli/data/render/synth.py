"""A synthesizer of two band-limited wavetables: a bright one that decays into a dark one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmixcli.data.render.notes import Audio, Note, add_at, frequency_hz

_TABLE = 2048
_HIGHEST_HZ = 16000.0


@dataclass(frozen=True)
class Patch:
    """A sound.

    Attributes:
        wave: "saw", "square" or "triangle".
        dark: harmonics that stay when the bright ones have gone.
        bright_s: how fast they go; the share of 1/e, s.
        attack_s: time to full level, s.
        decay_s: how fast the level falls to `sustain`, s.
        sustain: level while a note is held, in [0, 1].
        release_s: time to silence after a note, s.
        detune_cents: between the left and the right channel.
    """

    wave: str = "saw"
    dark: int = 4
    bright_s: float = 0.3
    attack_s: float = 0.005
    decay_s: float = 0.4
    sustain: float = 0.7
    release_s: float = 0.08
    detune_cents: float = 0.0


def random_bass(random: np.random.Generator) -> Patch:
    """The sound of a synthetic bass; it stands in the middle."""
    return Patch(
        wave=("saw", "square", "triangle")[int(random.integers(3))],
        dark=int(random.integers(1, 7)),
        bright_s=float(random.uniform(0.03, 0.4)),
        decay_s=float(random.uniform(0.2, 1.0)),
        sustain=float(random.uniform(0.3, 0.9)),
    )


def random_pad(random: np.random.Generator) -> Patch:
    """The sound of a pad: slow and wide."""
    return Patch(
        wave=("saw", "square", "triangle")[int(random.integers(3))],
        dark=int(random.integers(2, 9)),
        bright_s=float(random.uniform(0.5, 2.5)),
        attack_s=float(random.uniform(0.05, 0.5)),
        decay_s=1.0,
        sustain=0.9,
        release_s=float(random.uniform(0.2, 0.8)),
        detune_cents=float(random.uniform(4.0, 18.0)),
    )


def random_keys(random: np.random.Generator) -> Patch:
    """The sound of plucked or struck keys, or of a lead."""
    return Patch(
        wave=("saw", "square", "triangle")[int(random.integers(3))],
        dark=int(random.integers(2, 12)),
        bright_s=float(random.uniform(0.05, 0.6)),
        attack_s=float(random.uniform(0.002, 0.02)),
        decay_s=float(random.uniform(0.15, 1.2)),
        sustain=float(random.uniform(0.15, 0.8)),
        release_s=float(random.uniform(0.05, 0.3)),
        detune_cents=float(random.uniform(0.0, 12.0)),
    )


def play_patch(notes: Sequence[Note], patch: Patch, *, samples: int, sample_rate: int) -> Audio:
    """The notes as `(2, samples)`; equal notes are made once."""
    track = np.zeros((2, samples), np.float32)
    made: dict[tuple[float, int], Audio] = {}
    for note in notes:
        length = max(1, round(note.length_s * sample_rate))
        key = (note.pitch, length)
        if key not in made:
            made[key] = _tone(note.pitch, length, patch, sample_rate)
        sound = made[key] * np.float32(note.velocity)
        add_at(track, sound, start=round(note.start_s * sample_rate))
    return track


@functools.lru_cache(maxsize=256)
def wavetable(wave: str, harmonics: int) -> Audio:
    """One period of a wave of so many harmonics, `(2048 + 1,)`, the last equal to the first."""
    phase = np.arange(_TABLE + 1) * (2 * np.pi / _TABLE)
    table = np.zeros(_TABLE + 1)
    for number in range(1, harmonics + 1):
        if wave != "saw" and number % 2 == 0:
            continue
        weight = 1.0 / number**2 if wave == "triangle" else 1.0 / number
        table += weight * np.sin(number * phase)
    table /= np.abs(table).max()
    return table.astype(np.float32)


def oscillate(phase: np.ndarray[tuple[int], np.dtype[np.float64]], table: Audio) -> Audio:
    """The table read at phases in periods, `(samples,)`, with linear interpolation."""
    position = (phase % 1.0) * _TABLE
    at = position.astype(np.int32)
    between = (position - at).astype(np.float32)
    low = table[at]
    return np.asarray(low + between * (table[at + 1] - low), np.float32)


def _tone(pitch: float, length: int, patch: Patch, rate: int) -> Audio:
    released = round(patch.release_s * rate)
    time = np.arange(length + released) / rate
    bright = np.exp(-time / patch.bright_s).astype(np.float32)
    level = _envelope(time, patch, held_s=length / rate)
    highest = max(1, int(min(_HIGHEST_HZ, rate * 0.45) / frequency_hz(pitch)))
    tables = wavetable(patch.wave, highest), wavetable(patch.wave, min(highest, patch.dark))

    def channel(cents: float) -> Audio:
        phase = time * frequency_hz(pitch + cents / 100)
        lit, dark = (oscillate(phase, table) for table in tables)
        return np.asarray((dark + bright * (lit - dark)) * level, np.float32)

    if not patch.detune_cents:
        mono = channel(0.0)
        return np.stack([mono, mono])
    return np.stack([channel(-patch.detune_cents / 2), channel(patch.detune_cents / 2)])


def _envelope(
    time: np.ndarray[tuple[int], np.dtype[np.float64]], patch: Patch, *, held_s: float
) -> Audio:
    rise = np.minimum(time / patch.attack_s, 1.0)
    fall = patch.sustain + (1 - patch.sustain) * np.exp(-time / patch.decay_s)
    after = np.clip(1.0 - (time - held_s) / patch.release_s, 0.0, 1.0)
    return np.asarray(rise * fall * after**2, np.float32)
