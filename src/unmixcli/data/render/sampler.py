"""Plays notes with a sampled instrument: nearest sample, shifted by resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unmixcli.data.render.notes import Audio, Note, add_at
from unmixcli.data.render.recordings import one_shot, shifted
from unmixcli.data.render.sample_set import SampleSet

_RELEASE_S = 0.08
_FADE_S = 0.003
_LONGEST_S = 8.0
# Loudness grows with velocity as this power; samples are normalised.
_POWER = 1.5


class Sampler:
    """A player of one sampled instrument; the sounds it made already are kept."""

    def __init__(self, instrument: SampleSet, *, sample_rate: int, release_s: float = _RELEASE_S):
        self._instrument = instrument
        self._rate = sample_rate
        self._release_s = release_s
        self._made: dict[tuple[object, ...], Audio] = {}

    def play(self, notes: Sequence[Note], *, samples: int) -> Audio:
        """The notes as `(2, samples)`."""
        track = np.zeros((2, samples), np.float32)
        for turn, note in enumerate(notes):
            add_at(track, self.note(note, turn=turn), start=round(note.start_s * self._rate))
        return track

    def note(self, note: Note, *, turn: int = 0) -> Audio:
        """One note, `(2, samples)` with its release."""
        sound = self._sound(note, turn)
        length = round((note.length_s + self._release_s) * self._rate)
        cut: Audio = sound[:, :length] * np.float32(note.velocity**_POWER)
        released = min(round(self._release_s * self._rate), cut.shape[1])
        if released and length <= sound.shape[1]:
            cut[:, -released:] *= np.linspace(1.0, 0.0, released, dtype=np.float32) ** 2
        return cut

    def _sound(self, note: Note, turn: int) -> Audio:
        sample = self._instrument.choose(note.pitch, note.velocity, turn=turn)
        semitones = round(note.pitch - sample.pitch, 2)
        key = (sample.path, semitones)
        if key not in self._made:
            recorded, rate = one_shot(sample.path, longest_s=_LONGEST_S)
            sound = shifted(recorded, semitones=semitones, from_rate=rate, to_rate=self._rate)
            self._made[key] = _without_clicks(as_stereo(sound), fade=round(_FADE_S * self._rate))
        return self._made[key]


def as_stereo(sound: Audio) -> Audio:
    """`(channels, samples)` as two channels."""
    return sound[:2] if sound.shape[0] >= 2 else np.repeat(sound, 2, axis=0)


def _without_clicks(sound: Audio, *, fade: int) -> Audio:
    """The sound with its cut end faded."""
    faded: Audio = sound.copy()
    size = min(fade, faded.shape[1])
    if size:
        faded[:, -size:] *= np.linspace(1.0, 0.0, size, dtype=np.float32)
    return faded
