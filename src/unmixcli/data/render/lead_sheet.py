"""A lead sheet: bars of chords with a melody above. Positions and lengths are in quarter notes."""

from __future__ import annotations

from dataclasses import dataclass

from unmixcli.data.render.theory import Chord, Key


@dataclass(frozen=True)
class MelodyNote:
    """A note of the melody within its bar; it may last into the next one."""

    beat: float
    beats: float
    pitch: int


@dataclass(frozen=True)
class Bar:
    """Chords by the beat on which they begin, the first at 0, and the melody."""

    chords: tuple[tuple[float, Chord], ...]
    melody: tuple[MelodyNote, ...] = ()

    def transposed(self, semitones: int) -> Bar:
        """The bar so many semitones higher."""
        return Bar(
            tuple((beat, chord.transposed(semitones)) for beat, chord in self.chords),
            tuple(MelodyNote(n.beat, n.beats, n.pitch + semitones) for n in self.melody),
        )


@dataclass(frozen=True)
class LeadSheet:
    """A tune in four-four time."""

    title: str
    key: Key
    bars: tuple[Bar, ...]

    def transposed(self, semitones: int) -> LeadSheet:
        """The tune in another key."""
        bars = tuple(bar.transposed(semitones) for bar in self.bars)
        return LeadSheet(self.title, self.key.transposed(semitones), bars)
