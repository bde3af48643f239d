"""Phrases of solo singing: cut at silences, and brought into a key by transposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmixcli.audio.read import probe, read_audio
from unmixcli.audio.resample import resample
from unmixcli.data.render.notes import Audio
from unmixcli.data.render.pitch_curve import PitchCurve, pitch_file, read_curve
from unmixcli.data.render.recordings import high_passed
from unmixcli.data.render.theory import Chord, Key
from unmixcli.data.render.tracker import PitchTrack, track_pitch

_HIGH_PASS_HZ = 60.0
_READ_S = 40.0
_FRAME_S = 0.02
_SILENCE_DB = -38.0
_PAUSE_S = 0.25
_EDGE_S = 0.03
_SHORTEST_S, _LONGEST_S = 0.7, 9.0
_MOST_SEMITONES = 4.0
# A semitone of transposition costs as much as this share of notes out of the key.
_COST = 0.015
_TUNING_WIDTH = 0.25


@dataclass(frozen=True)
class Phrase:
    """A phrase, `(samples,)` with a level of 0.1 where it is loud, and its pitch.

    `track` is heard and good enough to find a key; `curve` is what an annotation says, in seconds
    from the start of the phrase, None without one.
    """

    samples: Audio
    track: PitchTrack
    curve: PitchCurve | None = None


@dataclass(frozen=True)
class Voice:
    """Part of a recording, `(samples,)`, and its annotated pitch from its start on, if any."""

    samples: Audio
    curve: PitchCurve | None = None


def read_voice(path: Path, random: np.random.Generator, *, sample_rate: int) -> Voice:
    """Some 40 s of a file from somewhere in it, mono, without rumble."""
    info = probe(path)
    seconds = None if info.samples is None else info.samples / info.sample_rate
    room = 0.0 if seconds is None else max(0.0, seconds - _READ_S)
    start_s = float(random.uniform(0.0, room)) if room else 0.0
    samples, rate = read_audio(path, start_s=start_s, duration_s=_READ_S)
    mono = samples.mean(axis=0, keepdims=True)
    at_rate = resample(mono, from_rate=rate, to_rate=sample_rate)[0]
    curve = read_curve(pitch_file(path))
    clean = high_passed(at_rate, sample_rate=sample_rate, corner_hz=_HIGH_PASS_HZ)
    return Voice(clean, curve and curve.from_second(start_s))


def cut_phrases(
    samples: Audio, *, sample_rate: int, curve: PitchCurve | None = None
) -> list[Phrase]:
    """The phrases between silences, none shorter than 0.7 s, long ones cut where quietest."""
    return [
        replace(phrase, curve=curve and curve.from_second(start / sample_rate))
        for start, end in phrase_bounds(samples, sample_rate=sample_rate)
        if (phrase := _phrase(samples[start:end], sample_rate)) is not None
    ]


def phrase_bounds(samples: Audio, *, sample_rate: int) -> list[tuple[int, int]]:
    """First and last sample of each phrase."""
    size = round(_FRAME_S * sample_rate)
    frames = len(samples) // size
    level = np.sqrt(np.mean(samples[: frames * size].reshape(frames, size) ** 2, axis=1))
    if not frames or level.max() <= 0:
        return []
    sounding = level > np.quantile(level, 0.95) * 10 ** (_SILENCE_DB / 20)
    runs = _joined(_runs(sounding), pause=round(_PAUSE_S / _FRAME_S))
    longest, shortest = round(_LONGEST_S / _FRAME_S), round(_SHORTEST_S / _FRAME_S)
    pieces = [piece for run in runs for piece in _short_enough(run, level, longest)]
    return [(a * size, b * size) for a, b in pieces if b - a >= shortest]


def best_transposition(track: PitchTrack, key: Key, chord: Chord) -> float:
    """Semitones, at most 4 either way, after which most of a phrase lies on the key's notes.

    Tones of the chord count more. Steps are tenths, so that the tuning fits as well.
    """
    sung = track.pitch[np.isfinite(track.pitch)]
    if not len(sung):
        return 0.0
    shifts = np.arange(-_MOST_SEMITONES, _MOST_SEMITONES + 0.05, 0.1)
    moved = sung[None, :] + shifts[:, None]
    fits = _fit(moved, key.scale) + 0.5 * _fit(moved, chord.tones)
    return float(round(shifts[int(np.argmax(fits - _COST * np.abs(shifts)))], 1))


def _fit(pitches: NDArray[np.float64], classes: Sequence[int]) -> NDArray[np.float64]:
    """Share of each row's pitches that lie on pitch classes, near ones in part."""
    offsets = pitches[..., None] - np.array(classes, np.float64)
    distance = np.abs((offsets + 6.0) % 12.0 - 6.0).min(axis=-1)
    near: NDArray[np.float64] = np.exp(-0.5 * (distance / _TUNING_WIDTH) ** 2).mean(axis=-1)
    return near


def _phrase(samples: Audio, rate: int) -> Phrase | None:
    track = track_pitch(samples, sample_rate=rate)
    if np.isfinite(track.pitch).mean() < 0.25:
        return None
    loud = float(np.quantile(track.level, 0.8))
    sound = samples * np.float32(0.1 / max(loud, 1e-6))
    edge = min(round(_EDGE_S * rate), len(sound) // 2)
    ramp = np.linspace(0.0, 1.0, edge, dtype=np.float32)
    sound[:edge] *= ramp
    sound[len(sound) - edge :] *= ramp[::-1]
    return Phrase(sound, track)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _joined(runs: Sequence[tuple[int, int]], *, pause: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in runs:
        if joined and start - joined[-1][1] < pause:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _short_enough(
    run: tuple[int, int], level: NDArray[np.float32], longest: int
) -> list[tuple[int, int]]:
    start, end = run
    if end - start <= longest:
        return [run]
    middle = slice(start + longest // 3, start + longest)
    cut = middle.start + int(level[middle].argmin())
    return [(start, cut), *_short_enough((cut, end), level, longest)]
