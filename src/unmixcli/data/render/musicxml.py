"""Lead sheets out of MusicXML, plain or packed (.mxl): the first part's first voice and chords.

Only tunes in four-four time (or two-two) with chord symbols are taken. Repeats, endings and jumps
are followed.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from xml.etree import ElementTree

from unmixcli.data.render.lead_sheet import Bar, LeadSheet, MelodyNote
from unmixcli.data.render.repeats import playing_order
from unmixcli.data.render.score_signs import read_signs
from unmixcli.data.render.theory import STEPS, Chord, Key, chord_of_kind, key_of_fifths

BAR_BEATS = 4.0
_FEWEST_BARS = 4


def read_lead_sheet(content: bytes, *, title: str) -> LeadSheet | None:
    """The tune in a file's bytes; None where it is none, has no chords or another metre."""
    try:
        root = ElementTree.fromstring(_unpacked(content))
    except (ElementTree.ParseError, zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return None
    part = root.find("part")
    if part is None:
        return None
    reading = _Reading()
    for measure in part.findall("measure"):
        if not reading.add(measure):
            return None
    order = playing_order(read_signs(part))
    bars = tuple(bar for at in order if (bar := reading.measures[at]) is not None)
    if len(bars) < _FEWEST_BARS or reading.chord is None:
        return None
    return LeadSheet(_title(root) or title, reading.key, bars)


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        scores = [
            name
            for name in archive.namelist()
            if name.endswith((".xml", ".musicxml")) and not name.startswith("META-INF")
        ]
        return archive.read(scores[0] if scores else "score.xml")


def _title(root: ElementTree.Element) -> str:
    return (root.findtext("work/work-title") or root.findtext("movement-title") or "").strip()


@dataclass
class _Reading:
    """Where the reader stands: what the attributes said last, and the measures so far.

    A measure is None where it is an upbeat or no chord has come yet.
    """

    divisions: float = 1.0
    key: Key = field(default_factory=lambda: Key(0))
    chord: Chord | None = None
    measures: list[Bar | None] = field(default_factory=list)

    def add(self, measure: ElementTree.Element) -> bool:
        """Take a measure in; False where its metre is not four quarters."""
        beat, longest = 0.0, 0.0
        chords: list[tuple[float, Chord]] = []
        melody: list[MelodyNote] = []
        for item in measure:
            if item.tag == "attributes":
                if not self._attributes(item):
                    return False
            elif item.tag == "harmony":
                self._harmony(item, beat=beat, chords=chords)
            elif item.tag == "note":
                if item.find("chord") is None and item.find("grace") is None:
                    beat = self._note(item, beat=beat, melody=melody)
            elif item.tag in ("backup", "forward"):
                beat += self._beats(item) * (-1.0 if item.tag == "backup" else 1.0)
            longest = max(longest, beat)
        # An upbeat is left out; so is what stands before the first chord.
        whole = longest >= BAR_BEATS - 0.01 and self.chord is not None
        bar = Bar(self._complete(chords), tuple(melody)) if whole else None
        self.measures.append(bar)
        return True

    def _attributes(self, item: ElementTree.Element) -> bool:
        self.divisions = float(item.findtext("divisions") or self.divisions)
        fifths = item.findtext("key/fifths")
        if fifths is not None:
            self.key = key_of_fifths(int(fifths), minor=item.findtext("key/mode") == "minor")
        metre = item.findtext("time/beats"), item.findtext("time/beat-type")
        return metre in ((None, None), ("4", "4"), ("2", "2"))

    def _harmony(
        self, item: ElementTree.Element, *, beat: float, chords: list[tuple[float, Chord]]
    ) -> None:
        step = item.findtext("root/root-step")
        if step is None:
            return
        root = STEPS[step.lower()] + round(float(item.findtext("root/root-alter") or 0))
        self.chord = chord_of_kind(root, (item.findtext("kind") or "major").strip())
        beat = min(max(beat + float(item.findtext("offset") or 0) / self.divisions, 0.0), 3.5)
        chords.append((beat, self.chord))

    def _note(self, item: ElementTree.Element, *, beat: float, melody: list[MelodyNote]) -> float:
        beats = self._beats(item)
        step = item.findtext("pitch/step")
        if step is not None and (item.findtext("voice") or "1") == "1" and beats > 0:
            alter = round(float(item.findtext("pitch/alter") or 0))
            octave = int(item.findtext("pitch/octave") or 4)
            melody.append(MelodyNote(beat, beats, 12 * (octave + 1) + STEPS[step.lower()] + alter))
        return beat + beats

    def _beats(self, item: ElementTree.Element) -> float:
        return float(item.findtext("duration") or 0) / self.divisions

    def _complete(self, chords: list[tuple[float, Chord]]) -> tuple[tuple[float, Chord], ...]:
        """Chords of a bar from its first beat on; the last one before it goes on until then."""
        last = self.chord
        assert last is not None
        by_beat = dict(sorted(chords, key=lambda pair: pair[0]))
        if 0.0 not in by_beat:
            bars = [bar for bar in self.measures if bar is not None]
            before = bars[-1].chords[-1][1] if bars else last
            by_beat = {0.0: before, **by_beat}
        return tuple(by_beat.items())
