"""Tones, files, a drummer's MIDI and a score, as the tests of rendering need them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
import soundfile

from unmixcli.data.render.notes import Audio, frequency_hz

RATE = 22050
BEAT = "1_rock_120_beat_4-4.mid"


def tone(pitch: float, seconds: float, *, rate: int = RATE, harmonics: int = 4) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    waves = (
        np.sin(2 * np.pi * k * frequency_hz(pitch) * time) / k for k in range(1, harmonics + 1)
    )
    sound = sum(waves) * np.exp(-time / 2) * np.minimum(time / 0.01, 1)
    return (0.3 * sound).astype(np.float32)


def write(path: Path, sound: Audio, *, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound.T, rate, subtype="PCM_16")
    return path


def phrases_of(pitches: Sequence[float]) -> Audio:
    """Each pitch for 1.2 s with a pause of 0.6 s behind it."""
    pause = np.zeros(round(0.6 * RATE), np.float32)
    return np.concatenate([part for pitch in pitches for part in (tone(pitch, 1.2), pause)])


def beat_bytes(*, bars: int = 2, bpm: float = 120.0) -> bytes:
    """Kick on one and three, snare on two and four, eighths on the hat."""
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm), time=0))
    now = 0
    for eighth in range(8 * bars):
        keys = [42] + ([36] if eighth % 4 == 0 else [38] if eighth % 4 == 2 else [])
        for key in keys:
            track.append(mido.Message("note_on", channel=9, note=key, velocity=100, time=now))
            now = 0
        for at, key in enumerate(keys):
            track.append(mido.Message("note_off", channel=9, note=key, time=240 if at == 0 else 0))
    content = io.BytesIO()
    file.save(file=content)
    return content.getvalue()


def score_bytes(
    chords: Sequence[tuple[str, str]], *, beats: int = 4, fifths: int = 0, mode: str = "major"
) -> bytes:
    """A bar a chord, each with a melody of quarters on its root's step."""
    measures = []
    for number, (step, kind) in enumerate(chords):
        attributes = (
            f"<attributes><divisions>2</divisions><key><fifths>{fifths}</fifths>"
            f"<mode>{mode}</mode></key><time><beats>{beats}</beats><beat-type>4</beat-type></time>"
            "</attributes>"
        )
        harmony = (
            f"<harmony><root><root-step>{step}</root-step></root><kind>{kind}</kind></harmony>"
            if kind
            else ""
        )
        note = (
            f"<note><pitch><step>{step}</step><octave>4</octave></pitch>"
            "<duration>2</duration><voice>1</voice></note>"
        )
        head = attributes if number == 0 else ""
        measures.append(f"<measure number='{number + 1}'>{head}{harmony}{note * beats}</measure>")
    text = f"<score-partwise><part id='P1'>{''.join(measures)}</part></score-partwise>"
    return text.encode()
