"""Pitch, loudness and articulation of a sample, from its file name.

There is no standard: `C#3`, `gb2`, `AS2` (A sharp), `060-C4-FF`, `ab2pp`, `vl2`, `rr1`, `note060`.
Octaves differ between makers by one or two, which `sample_set` finds by listening.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unmixcli.data.render.theory import STEPS

_DYNAMICS = {
    "ppp": 0.1,
    "pp": 0.2,
    "p": 0.35,
    "mp": 0.45,
    "mf": 0.6,
    "f": 0.75,
    "ff": 0.9,
    "fff": 1.0,
}
_USUAL = 0.75

_NOTE = re.compile(r"([a-g])([#bs]?)(-?\d)(s?)(ppp|pp|p|mp|mf|fff|ff|f)?")
_CLASS = re.compile(r"([a-g])([#b]?)")
_KEY_NUMBER = re.compile(r"note(\d{2,3})")
_LAYER = re.compile(r"(?:vl|v|vel)(\d+)")
_ROBIN = re.compile(r"rr\d+|\d+")
_ALTER = {"": 0, "#": 1, "s": 1, "b": -1}


@dataclass(frozen=True)
class SampleName:
    """What a name tells.

    Attributes:
        articulation: the words that are left, as one name.
        pitch: as a MIDI number; None where it is not told.
        pitch_class: 0 to 11 where the octave is not told.
        dynamic: from soft 0 to loud 1; None where only `layer` is told.
        layer: the number of a velocity layer.
        release: whether it is the noise of a key or string let go.
    """

    articulation: str
    pitch: int | None
    pitch_class: int | None
    dynamic: float | None
    layer: int | None
    release: bool


def parse_name(stem: str) -> SampleName:
    """Read a file's name without its extension.

    >>> parse_name("sustain-gb3_ff_rr2").pitch
    54
    """
    words = re.split(r"[-_ ]+", stem.lower())
    pitch, dynamic, layer = None, None, None
    rest: list[str] = []
    for word in words:
        note = _NOTE.fullmatch(word)
        number, layered = _KEY_NUMBER.fullmatch(word), _LAYER.fullmatch(word)
        if note:
            step, alter, octave, sharp, loud = note.groups()
            pitch = STEPS[step] + _ALTER[alter or sharp] + 12 * (int(octave) + 1)
            dynamic = _DYNAMICS.get(loud or "", dynamic)
        elif number:
            pitch = int(number.group(1))
        elif layered:
            layer = int(layered.group(1))
        elif word in _DYNAMICS:
            dynamic = _DYNAMICS[word]
        elif not _ROBIN.fullmatch(word) and word not in rest:
            rest.append(word)
    pitch_class = _pitch_class(rest, words) if pitch is None else None
    if dynamic is None and layer is None:
        dynamic = _USUAL
    release = any(word in ("rel", "release") for word in rest)
    return SampleName(" ".join(rest), pitch, pitch_class, dynamic, layer, release)


def _pitch_class(rest: list[str], words: list[str]) -> int | None:
    """The pitch in a last word such as `A#`, which is then taken out of `rest`."""
    found = _CLASS.fullmatch(words[-1])
    # The note F looks like forte.
    if len(words) < 2 or not found or words[-1] not in (*rest, "f"):
        return None
    rest[:] = [word for word in rest if word != words[-1]]
    return (STEPS[found.group(1)] + _ALTER[found.group(2)]) % 12
