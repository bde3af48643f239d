"""Which sounds of General MIDI play which part, by the style of the drummer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.soundfonts import FontPlayer, Program, SoundFonts

_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "Acoustic Grand Piano",
        1: "Bright Acoustic Piano",
        2: "Electric Grand Piano",
        3: "Honky-tonk Piano",
        4: "Electric Piano 1",
        5: "Electric Piano 2",
        7: "Clavinet",
        11: "Vibraphone",
        16: "Drawbar Organ",
        17: "Percussive Organ",
        18: "Rock Organ",
        19: "Church Organ",
        21: "Accordion",
        22: "Harmonica",
        24: "Acoustic Guitar (nylon)",
        25: "Acoustic Guitar (steel)",
        26: "Electric Guitar (jazz)",
        27: "Electric Guitar (clean)",
        28: "Electric Guitar (muted)",
        29: "Overdriven Guitar",
        30: "Distortion Guitar",
        32: "Acoustic Bass",
        33: "Electric Bass (finger)",
        34: "Electric Bass (pick)",
        35: "Fretless Bass",
        36: "Slap Bass 1",
        37: "Slap Bass 2",
        38: "Synth Bass 1",
        39: "Synth Bass 2",
        40: "Violin",
        42: "Cello",
        48: "String Ensemble 1",
        49: "String Ensemble 2",
        50: "Synth Strings 1",
        51: "Synth Strings 2",
        52: "Choir Aahs",
        53: "Voice Oohs",
        54: "Synth Voice",
        56: "Trumpet",
        57: "Trombone",
        59: "Muted Trumpet",
        61: "Brass Section",
        62: "Synth Brass 1",
        63: "Synth Brass 2",
        64: "Soprano Sax",
        65: "Alto Sax",
        66: "Tenor Sax",
        71: "Clarinet",
        73: "Flute",
        80: "Lead 1 (square)",
        81: "Lead 2 (sawtooth)",
        82: "Lead 3 (calliope)",
        87: "Lead 8 (bass + lead)",
        88: "Pad 1 (new age)",
        89: "Pad 2 (warm)",
        90: "Pad 3 (polysynth)",
        91: "Pad 4 (choir)",
        92: "Pad 5 (bowed)",
        94: "Pad 7 (halo)",
        95: "Pad 8 (sweep)",
    }
)

# The voices of people, in a font as anywhere: they are part of the stem of the vocals.
_CHOIR = (52, 53)

_BAND: Mapping[str, tuple[int, ...]] = {
    "chords": (0, 1, 16, 18, 25, 25, 27, 27, 28, 29, 30, 30),
    "pad": (16, 18, 48, 49, 50, 89),
    "lead": (22, 27, 29, 30, 30, 40, 61, 66),
    "bass": (33, 33, 34, 34),
}
_JAZZ: Mapping[str, tuple[int, ...]] = {
    "chords": (0, 0, 4, 11, 16, 24, 26, 26),
    "pad": (16, 48, 49, 61),
    "lead": (11, 26, 40, 56, 57, 59, 64, 65, 66, 71, 73),
    "bass": (32, 32, 32, 33, 35),
}
_SOUL: Mapping[str, tuple[int, ...]] = {
    "chords": (0, 4, 5, 7, 16, 17, 27, 28, 61),
    "pad": (16, 48, 49, 50, 61, 89),
    "lead": (4, 27, 56, 61, 65, 66, 73, 81),
    "bass": (33, 33, 34, 36, 37, 38),
}
_LATIN: Mapping[str, tuple[int, ...]] = {
    "chords": (0, 1, 21, 24, 24, 25, 61),
    "pad": (21, 48, 49, 61),
    "lead": (21, 24, 56, 57, 65, 71, 73),
    "bass": (32, 33, 35),
}
_ELECTRONIC: Mapping[str, tuple[int, ...]] = {
    "chords": (0, 2, 5, 16, 27, 62, 63, 81, 90),
    "pad": (48, 50, 51, 54, 88, 89, 90, 91, 92, 94, 95),
    "lead": (54, 80, 80, 81, 81, 82, 87),
    "bass": (33, 38, 38, 39, 39),
}
_SONG: Mapping[str, tuple[int, ...]] = {
    "chords": (0, 0, 1, 3, 4, 5, 19, 24, 25, 27),
    "pad": (48, 49, 50, 51, 54, 88, 89, 91, 94),
    "lead": (22, 25, 27, 40, 42, 65, 71, 73, 81),
    "bass": (32, 33, 33, 34, 35),
}
# The first pattern that is found in the name of the drummer's performance decides.
_STYLES = (
    (r"jazz|blues|neworleans", _JAZZ),
    (r"funk|soul|gospel", _SOUL),
    (r"latin|afro|reggae|highlife|middleeastern", _LATIN),
    (r"hiphop|dance|disco|made up", _ELECTRONIC),
    (r"rock|punk|country", _BAND),
)
_SHARE = 0.5

ROLES = ("chords", "pad", "lead", "bass")
"""The parts that a font can play, beside the choir."""


def programs_of(style: str, role: str) -> tuple[Program, ...]:
    """The sounds for a part in a style, `jazz-swing` say; repeated ones come more often."""
    told = next((p for words, p in _STYLES if re.search(words, style.lower())), _SONG)
    return tuple(Program(number, _NAMES[number]) for number in told[role])


def font_player(
    plan: Plan, fonts: SoundFonts, random: np.random.Generator, *, role: str, share: float = _SHARE
) -> FontPlayer | None:
    """A player of a part in the style of the song, in `share` of the songs; None without fonts.

    Without fonts no random number is drawn.
    """
    if not fonts.files or not chance(random, share):
        return None
    program = pick(random, programs_of(plan.groove.name, role))
    return FontPlayer(pick(random, fonts.files), program)


def choir_player(fonts: SoundFonts, random: np.random.Generator) -> FontPlayer | None:
    """A choir of people on "aah" or "ooh"; None without fonts."""
    if not fonts.files:
        return None
    number = pick(random, _CHOIR)
    return FontPlayer(pick(random, fonts.files), Program(number, _NAMES[number]))
