"""Render the demo song: drums, bass, chords and a sung vowel line, all from formulas.

Eight bars at 100 beats a minute, stereo, 44.1 kHz. The song is the project's own, so that it can
be shared by anybody; the parts are kept apart, so that what a separator does can be measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100
BEAT_S = 0.6
BARS = 8
LENGTH = round(BARS * 4 * BEAT_S * RATE)
# C, G, A minor, F: one a bar, as MIDI pitches of the triad.
CHORDS = [(60, 64, 67), (59, 62, 67), (57, 60, 64), (57, 60, 65)]
# (start in beats, length in beats, MIDI pitch, vowel) of the sung line.
MELODY = [
    (0, 2, 67, "a"), (2, 1, 69, "o"), (3, 1, 67, "e"),
    (4, 3, 71, "a"), (8, 2, 69, "o"), (10, 2, 72, "a"),
    (12, 3, 69, "e"), (16, 1, 72, "a"), (17, 1, 74, "o"), (18, 2, 76, "a"),
    (20, 3, 74, "o"), (24, 2, 72, "e"), (26, 2, 69, "a"), (28, 3.5, 67, "a"),
]  # fmt: skip
# Centres and widths in Hz of the first four formants of a mezzo, and their levels in dB.
FORMANTS = {
    "a": [(850, 90, 0), (1200, 100, -5), (2800, 140, -14), (3700, 180, -20)],
    "e": [(500, 70, 0), (1800, 110, -9), (2600, 140, -13), (3600, 180, -20)],
    "o": [(480, 70, 0), (850, 90, -7), (2700, 140, -22), (3500, 180, -26)],
}

Mono = np.ndarray


def render() -> dict[str, np.ndarray]:
    """The parts by name, each `(2, samples)` float32; their sum stays below full scale."""
    random = np.random.default_rng(1)
    parts = {
        "drums": _stereo(_drums(random), pan=0.0),
        "bass": _stereo(_bass(), pan=0.0),
        "chords": _stereo(_chords(), pan=-0.4) + _stereo(_chords(detune=1.003), pan=0.4),
        "vocals": _stereo(_vocals(random), pan=0.0),
    }
    peak = np.abs(sum(parts.values())).max()
    return {name: (part * (0.85 / peak)).astype(np.float32) for name, part in parts.items()}


def write(path: Path) -> None:
    """Write the song as a 16-bit WAV."""
    soundfile.write(path, sum(render().values()).T, RATE, subtype="PCM_16")


def _frequency(pitch: float) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def _place(track: Mono, sound: Mono, start_s: float) -> None:
    start = round(start_s * RATE)
    stop = min(len(track), start + len(sound))
    track[start:stop] += sound[: stop - start]


def _time(seconds: float) -> Mono:
    return np.arange(round(seconds * RATE)) / RATE


def _faded(sound: Mono, *, attack_s: float, release_s: float) -> Mono:
    attack, release = round(attack_s * RATE), round(release_s * RATE)
    envelope = np.ones(len(sound))
    envelope[:attack] *= np.linspace(0, 1, attack)
    envelope[-release:] *= np.linspace(1, 0, release)
    return sound * envelope


def _drums(random: np.random.Generator) -> Mono:
    track = np.zeros(LENGTH)
    sounds: dict[str, Callable[[], Mono]] = {
        "kick": _kick,
        "snare": lambda: _snare(random),
        "hat": lambda: _hat(random),
    }
    for beat in range(BARS * 4):
        _place(track, sounds["snare" if beat % 2 else "kick"](), beat * BEAT_S)
        for half in (0.0, 0.5):
            _place(track, (0.5 + half * 0.4) * sounds["hat"](), (beat + half) * BEAT_S)
    return track


def _kick() -> Mono:
    time = _time(0.3)
    phase = 2 * np.pi * (50 * time + 110 / 30 * (1 - np.exp(-30 * time)))
    return 0.9 * np.sin(phase) * np.exp(-12 * time)


def _snare(random: np.random.Generator) -> Mono:
    time = _time(0.25)
    noise = random.standard_normal(len(time)) * np.exp(-18 * time)
    return 0.35 * noise + 0.3 * np.sin(2 * np.pi * 190 * time) * np.exp(-25 * time)


def _hat(random: np.random.Generator) -> Mono:
    time = _time(0.08)
    # Differencing white noise twice leaves its top octaves.
    noise = np.diff(random.standard_normal(len(time) + 2), n=2)
    return 0.09 * noise * np.exp(-60 * time)


def _bass() -> Mono:
    track = np.zeros(LENGTH)
    for bar in range(BARS):
        root = CHORDS[bar % 4][0] - 24
        for beat, pitch in enumerate((root, root, root + 7, root)):
            time = _time(0.9 * BEAT_S)
            harmonics = (
                np.sin(2 * np.pi * number * _frequency(pitch) * time) / number**1.5
                for number in range(1, 8)
            )
            note = sum(harmonics) * np.exp(-2 * time)
            _place(track, 0.5 * _faded(note, attack_s=0.005, release_s=0.03),
                   (4 * bar + beat) * BEAT_S)  # fmt: skip
    return track


def _chords(detune: float = 1.0) -> Mono:
    track = np.zeros(LENGTH)
    for bar in range(BARS):
        time = _time(4 * BEAT_S)
        voices = (
            np.sin(2 * np.pi * number * detune * _frequency(pitch) * time) / number**2
            for pitch in CHORDS[bar % 4]
            for number in range(1, 6)
        )
        chord = _faded(sum(voices) * np.exp(-0.7 * time), attack_s=0.02, release_s=0.1)
        _place(track, 0.12 * chord, 4 * bar * BEAT_S)
    return track


def _vocals(random: np.random.Generator) -> Mono:
    track = np.zeros(LENGTH)
    for start, length, pitch, vowel in MELODY:
        note = _sung(length * BEAT_S, pitch, vowel, random)
        _place(track, 0.5 * _faded(note, attack_s=0.06, release_s=0.12), start * BEAT_S)
    return track


def _sung(seconds: float, pitch: float, vowel: str, random: np.random.Generator) -> Mono:
    """Harmonics of a glottal pulse through formants, with vibrato, a slide in, and some breath."""
    time = _time(seconds)
    vibrato = 0.35 * np.sin(2 * np.pi * 5.6 * time) * np.clip((time - 0.25) / 0.3, 0, 1)
    drift = np.cumsum(random.standard_normal(len(time))) * 2e-4
    frequency = _frequency(pitch) * 2 ** ((vibrato + drift - 1.2 * np.exp(-18 * time)) / 12)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    voice = np.zeros(len(time))
    for number in range(1, int(9000 / _frequency(pitch)) + 1):
        gain = _formant_gain(number * frequency, vowel) / number**1.1
        voice += gain * np.sin(number * phase)
    breath = np.diff(random.standard_normal(len(time) + 1)) * 0.012
    return voice + breath


def _formant_gain(frequency: Mono, vowel: str) -> Mono:
    gain = np.full(len(frequency), 10 ** (-38 / 20))
    for centre, width, level_db in FORMANTS[vowel]:
        gain += 10 ** (level_db / 20) / (1 + ((frequency - centre) / width) ** 2)
    return gain


def _stereo(mono: Mono, *, pan: float) -> np.ndarray:
    angle = (pan + 1) * np.pi / 4
    return np.stack((np.cos(angle) * mono, np.sin(angle) * mono))


if __name__ == "__main__":
    write(Path(__file__).with_name("song.wav"))
