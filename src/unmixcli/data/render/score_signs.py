"""The signs of a MusicXML part that say where to go on: bar lines, endings, words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from unmixcli.data.render.repeats import CAPO, SEGNO, Signs

_TO_CODA = re.compile(r"\bto\s+coda\b")
# D.C., D.C.al Fine, D. S., dal segno; not a chord or a name with the letters.
_CAPO = re.compile(r"\bd\.\s*c\b|\bda\s+capo\b")
_SEGNO = re.compile(r"\bd\.\s*s\b|\bdal\s+segno\b")
_FINE = re.compile(r"\bfine\b")
_MOST_TIMES = 8


def read_signs(part: ElementTree.Element) -> list[Signs]:
    """The signs of each measure of a part, in the order in which they are written."""
    found: list[Signs] = []
    inside: frozenset[int] = frozenset()
    for measure in part.findall("measure"):
        for ending in _endings(measure, ("start",)):
            inside = ending
        found.append(_signs(measure, inside))
        if any(_endings(measure, ("stop", "discontinue"))):
            inside = frozenset()
    return found


def _endings(measure: ElementTree.Element, kinds: tuple[str, ...]) -> Iterator[frozenset[int]]:
    for ending in measure.findall("barline/ending"):
        if ending.get("type") in kinds:
            numbers = re.findall(r"\d+", ending.get("number", ""))
            yield frozenset(min(int(number), _MOST_TIMES) for number in numbers)


def _signs(measure: ElementTree.Element, endings: frozenset[int]) -> Signs:
    words = _words(measure)
    repeats = measure.findall("barline/repeat")
    backward = [repeat for repeat in repeats if repeat.get("direction") == "backward"]
    jump = SEGNO if _SEGNO.search(words.text) else CAPO if _CAPO.search(words.text) else None
    return Signs(
        forward=any(repeat.get("direction") == "forward" for repeat in repeats),
        times=_times(backward[-1]) if backward else 0,
        endings=endings,
        segno=words.segno,
        # "D.C. al Fine" is no Fine.
        fine=jump is None and bool(_FINE.search(words.text)),
        coda=words.early_coda,
        to_coda=words.late_coda or bool(_TO_CODA.search(words.text)),
        jump=jump,
    )


def _times(repeat: ElementTree.Element) -> int:
    told = repeat.get("times", "")
    return min(max(int(told), 1), _MOST_TIMES) if told.isdecimal() else 2


@dataclass(frozen=True)
class _Words:
    """What is written above a measure, in small letters, and the signs without words."""

    text: str
    segno: bool
    early_coda: bool
    late_coda: bool


def _words(measure: ElementTree.Element) -> _Words:
    text: list[str] = []
    segno = early = late = noted = False
    for item in measure:
        noted = noted or item.tag == "note"
        if item.tag not in ("direction", "barline", "sound"):
            continue
        text += [words.text or "" for words in item.iter("words")]
        text += [_WORDS_OF_SOUND[name] for s in item.iter("sound") for name in s.keys() & _SOUNDS]
        segno = segno or item.find(".//segno") is not None
        if item.find(".//coda") is not None:
            late, early = late or noted, early or not noted
    told = " ; ".join(text).lower()
    return _Words(told, segno, early, late)


_WORDS_OF_SOUND = {
    "dacapo": "d.c.",
    "dalsegno": "d.s.",
    "fine": "fine",
    "tocoda": "to coda",
}
_SOUNDS = _WORDS_OF_SOUND.keys()
