"""Notes, keys, chords: pitch classes are 0 to 11 from C."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MINOR = (0, 2, 3, 5, 7, 8, 10)

# MusicXML's names of chords, as semitones above the root.
_KINDS = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "augmented": (0, 4, 8),
    "diminished": (0, 3, 6),
    "dominant": (0, 4, 7, 10),
    "major-seventh": (0, 4, 7, 11),
    "minor-seventh": (0, 3, 7, 10),
    "diminished-seventh": (0, 3, 6, 9),
    "augmented-seventh": (0, 4, 8, 10),
    "half-diminished": (0, 3, 6, 10),
    "major-minor": (0, 3, 7, 11),
    "major-sixth": (0, 4, 7, 9),
    "minor-sixth": (0, 3, 7, 9),
    "dominant-ninth": (0, 4, 7, 10, 2),
    "major-ninth": (0, 4, 7, 11, 2),
    "minor-ninth": (0, 3, 7, 10, 2),
    "suspended-second": (0, 2, 7),
    "suspended-fourth": (0, 5, 7),
    "power": (0, 7),
}


@dataclass(frozen=True)
class Key:
    """A tonic and its mode."""

    tonic: int
    minor: bool = False

    @property
    def scale(self) -> tuple[int, ...]:
        """The seven pitch classes from the tonic upwards."""
        return tuple((self.tonic + step) % 12 for step in (_MINOR if self.minor else _MAJOR))

    @property
    def name(self) -> str:
        """As people write it: `A minor`."""
        return f"{NAMES[self.tonic]} {'minor' if self.minor else 'major'}"

    def transposed(self, semitones: int) -> Key:
        """The key so many semitones higher."""
        return Key((self.tonic + semitones) % 12, self.minor)


@dataclass(frozen=True)
class Chord:
    """A root and the semitones of its tones above it."""

    root: int
    intervals: tuple[int, ...] = (0, 4, 7)

    @property
    def tones(self) -> tuple[int, ...]:
        """The pitch classes, the root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def fifth(self) -> int:
        """Semitones from the root to its fifth, whichever kind the chord has."""
        return next((i for i in self.intervals if i in (6, 7, 8)), 7)

    def transposed(self, semitones: int) -> Chord:
        """The chord so many semitones higher."""
        return Chord((self.root + semitones) % 12, self.intervals)


def chord_of_kind(root: int, kind: str) -> Chord:
    """A chord by MusicXML's word for it; what is unknown becomes the nearest triad."""
    fallback = "minor" if kind.startswith("minor") else "major"
    return Chord(root % 12, _KINDS.get(kind, _KINDS[fallback]))


def key_of_fifths(fifths: int, *, minor: bool) -> Key:
    """The key of a signature: sharps above zero, flats below.

    >>> key_of_fifths(3, minor=True).name
    'F# minor'
    """
    return Key((7 * fifths + (9 if minor else 0)) % 12, minor)


def diatonic_triad(key: Key, degree: int) -> Chord:
    """The triad on a degree of the scale, 0 for the tonic."""
    scale = key.scale
    root, third, fifth = (scale[(degree + step) % 7] for step in (0, 2, 4))
    return Chord(root, (0, (third - root) % 12, (fifth - root) % 12))


def nearest_pitch(pitch_class: int, *, to: float) -> int:
    """The MIDI number of a pitch class that is nearest to a pitch.

    >>> nearest_pitch(0, to=59)
    60
    """
    octave = round((to - pitch_class) / 12)
    return pitch_class + 12 * octave
