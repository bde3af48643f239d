"""The plan of a song: its tune, tempo and form, before anybody plays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from unmixcli.data.render.chance import chance, generator, pick, pick_weighted
from unmixcli.data.render.entries import Entry
from unmixcli.data.render.grooves import (
    BAR_BEATS,
    Groove,
    is_fill,
    is_four_four,
    made_up_groove,
    read_groove,
)
from unmixcli.data.render.lead_sheet import Bar, LeadSheet
from unmixcli.data.render.musicxml import read_lead_sheet
from unmixcli.data.render.progressions import made_up_tune
from unmixcli.data.render.source import Source
from unmixcli.data.render.theory import Chord, Key

_TRIES = 12
_SLOWEST_BPM, _FASTEST_BPM = 66.0, 168.0

# Who plays in a section. Voices pause in some, so that their absence is learnt as well.
_FULL = frozenset({"drums", "bass", "chords", "pad", "voice"})
_FORMS: tuple[tuple[frozenset[str], float, float], ...] = (
    (_FULL, 0.8, 3.0),
    (_FULL | {"lead"}, 1.0, 2.0),
    (_FULL - {"pad"}, 0.65, 2.0),
    (_FULL - {"voice"} | {"lead"}, 0.9, 1.0),
    (_FULL - {"drums"}, 0.5, 0.6),
    (_FULL - {"bass", "drums"}, 0.4, 0.4),
    (frozenset({"voice", "chords"}), 0.35, 0.4),
    (frozenset({"drums", "bass", "voice"}), 0.6, 0.5),
    (frozenset({"drums", "voice"}), 0.6, 0.2),
)
_INTROS: tuple[frozenset[str], ...] = (
    frozenset({"chords", "pad"}),
    frozenset({"drums", "bass"}),
    _FULL - {"voice"},
    frozenset({"chords", "voice"}),
)
# Whole songs without a stem, by the share of songs.
_ABSENT = (("voice", 0.04), ("drums", 0.04), ("bass", 0.03))


@dataclass(frozen=True)
class Section:
    """Bars in which the same players play, with an energy in [0, 1]."""

    first_bar: int
    bars: int
    players: frozenset[str]
    energy: float


@dataclass(frozen=True)
class Plan:
    """A song before it is played; all bars have four quarters."""

    title: str
    key: Key
    tempo_bpm: float
    length_s: float
    bars: tuple[Bar, ...]
    sections: tuple[Section, ...]
    groove: Groove
    fill: Groove | None
    origins: tuple[str, ...]

    def second(self, bar: int, beat: float = 0.0) -> float:
        """When a beat of a bar comes."""
        return (bar * BAR_BEATS + beat) * self.beat_s

    @property
    def beat_s(self) -> float:
        """The length of a quarter note."""
        return 60.0 / self.tempo_bpm

    def bars_of(self, player: str) -> Iterator[tuple[int, Section]]:
        """The bars in which a player plays, with their sections."""
        for section in self.sections:
            if player in section.players:
                for bar in range(section.first_bar, section.first_bar + section.bars):
                    yield bar, section

    def chords(self, bar: int) -> Iterator[tuple[float, float, Chord]]:
        """The chords of a bar: first beat, beats, chord."""
        chords = self.bars[bar].chords
        ends = [beat for beat, _ in chords[1:]] + [float(BAR_BEATS)]
        for (beat, chord), end in zip(chords, ends, strict=True):
            if end > beat:
                yield beat, end - beat, chord


def make_plan(
    source: Source, *, seed: int, index: int, length_s: float, instrumentals: float = 0.0
) -> Plan:
    """The plan of song `index`: a tune in a key of its own over a drummer's groove.

    In a share of the songs, `instrumentals`, an instrument plays wherever there would be a voice.
    """
    random = generator(seed, "plan", index)
    groove, groove_entry = _groove(random, source)
    tempo = float(groove.tempo_bpm * random.uniform(0.94, 1.06))
    while tempo < _SLOWEST_BPM:
        tempo *= 2
    while tempo > _FASTEST_BPM:
        tempo /= 2
    bars = math.ceil(length_s * tempo / 60.0 / BAR_BEATS)
    sheet, sheet_entry = _sheet(random, source)
    sheet = sheet.transposed(int(random.integers(-5, 7)))
    sections = tuple(_sections(random, bars))
    if chance(generator(seed, "instrumental", index), instrumentals):
        sections = tuple(_without_voice(section) for section in sections)
    origins = [str(entry.path.name) for entry in (groove_entry, sheet_entry) if entry is not None]
    return Plan(
        title=sheet.title,
        key=sheet.key,
        tempo_bpm=tempo,
        length_s=length_s,
        bars=tuple(sheet.bars[bar % len(sheet.bars)] for bar in range(bars)),
        sections=sections,
        groove=groove,
        fill=_fill(random, source),
        origins=tuple(origins),
    )


def _groove(random: np.random.Generator, source: Source) -> tuple[Groove, Entry | None]:
    beats = [e for e in source.grooves if is_four_four(e.name) and not is_fill(e.name)]
    for _ in range(_TRIES if beats and chance(random, 0.85) else 0):
        entry = pick(random, beats)
        groove = read_groove(entry.read(), name=entry.name)
        # A pattern of one bar tells little of how the drummer plays.
        if groove is not None and (groove.bars >= 2 or len(beats) == 1):
            return groove, entry
    return made_up_groove(random), None


def _fill(random: np.random.Generator, source: Source) -> Groove | None:
    fills = [e for e in source.grooves if is_four_four(e.name) and is_fill(e.name)]
    if not fills:
        return None
    entry = pick(random, fills)
    return read_groove(entry.read(), name=entry.name)


def _sheet(random: np.random.Generator, source: Source) -> tuple[LeadSheet, Entry | None]:
    for _ in range(_TRIES if source.sheets and chance(random, 0.7) else 0):
        entry = pick(random, source.sheets)
        sheet = read_lead_sheet(entry.read(), title=entry.name)
        if sheet is not None:
            return sheet, entry
    return made_up_tune(random), None


def _sections(random: np.random.Generator, bars: int) -> Iterator[Section]:
    absent = {player for player, share in _ABSENT if chance(random, share)}
    intro, first = pick(random, _INTROS), 0
    while first < bars:
        players, energy = pick_weighted(random, [((who, e), w) for who, e, w in _FORMS])
        if first == 0:
            players, energy = intro, 0.5
        length = 4 if first == 0 else pick(random, (4, 8, 8))
        length = min(length, bars - first)
        yield Section(first, length, players - absent, energy)
        first += length


def _without_voice(section: Section) -> Section:
    """The section, its tune played where it would be sung."""
    if "voice" not in section.players:
        return section
    return replace(section, players=section.players - {"voice"} | {"lead"})
