"""Voice banks, long files of syllables on one pitch, as an instrument that sings a melody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmixcli.data.render.notes import Audio, Note, add_at
from unmixcli.data.render.phrases import Phrase
from unmixcli.data.render.recordings import shifted
from unmixcli.data.render.stretch import stretched

# Speech that keeps its pitch within this is a bank.
_STEADY_SEMITONES = 1.2
_MOST_SEMITONES = 7.0
_LONGEST_STRETCH = 2.5
_RELEASE_S = 0.05


@dataclass(frozen=True)
class Syllable:
    """A piece of voice `(samples,)` about one pitch."""

    samples: Audio
    pitch: float


def is_bank(phrases: Sequence[Phrase]) -> bool:
    """Whether phrases keep one pitch throughout, as the recordings for a voice bank do."""
    pitches = np.concatenate([p.track.pitch for p in phrases]) if phrases else np.zeros(0)
    sung = pitches[np.isfinite(pitches)]
    if len(sung) < 50:
        return False
    low, high = np.quantile(sung, [0.15, 0.85])
    return bool(high - low < _STEADY_SEMITONES)


def syllables_of(phrases: Sequence[Phrase], *, sample_rate: int) -> list[Syllable]:
    """Phrases of a bank cut into pieces of about half a second that have a pitch."""
    found = []
    for phrase in phrases:
        count = max(1, round(len(phrase.samples) / sample_rate / 0.5))
        edges = np.linspace(0, len(phrase.samples), count + 1).astype(int)
        frames = np.linspace(0, len(phrase.track.pitch), count + 1).astype(int)
        for piece in range(count):
            pitch = phrase.track.pitch[frames[piece] : frames[piece + 1]]
            sung = pitch[np.isfinite(pitch)]
            if len(sung) > 0.6 * len(pitch):
                sound = phrase.samples[edges[piece] : edges[piece + 1]]
                found.append(Syllable(sound, float(np.median(sung))))
    return found


def sing_syllables(
    notes: Sequence[Note],
    syllables: Sequence[Syllable],
    random: np.random.Generator,
    *,
    samples: int,
    sample_rate: int,
) -> Audio:
    """The notes as `(samples,)`, an octave off where the bank's pitch is too far away."""
    track = np.zeros(samples, np.float32)
    for note in notes:
        syllable = syllables[int(random.integers(len(syllables)))]
        semitones = note.pitch - syllable.pitch
        semitones -= 12.0 * round(semitones / 12.0) if abs(semitones) > _MOST_SEMITONES else 0.0
        sound = shifted(
            syllable.samples,
            semitones=round(semitones, 2),
            from_rate=sample_rate,
            to_rate=sample_rate,
        )
        sung = _lasting(sound, round((note.length_s + _RELEASE_S) * sample_rate), sample_rate)
        gain = np.float32(note.velocity)
        add_at(track, sung * gain, start=round(note.start_s * sample_rate))
    return track


def _lasting(sound: Audio, wanted: int, rate: int) -> Audio:
    factor = min(wanted / len(sound), _LONGEST_STRETCH)
    lasting = stretched(sound, factor=factor, sample_rate=rate) if factor > 1.05 else sound
    cut: Audio = lasting[:wanted].copy()
    edge = min(round(_RELEASE_S * rate), len(cut) // 2)
    ramp = np.linspace(0.0, 1.0, edge, dtype=np.float32)
    short = min(edge // 4, edge)
    cut[:short] *= ramp[: 4 * short : 4]
    cut[len(cut) - edge :] *= ramp[::-1]
    return cut
