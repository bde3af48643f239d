"""The pieces of a drum kit: what they are called in files, and in MIDI."""

from __future__ import annotations

import re
from collections.abc import Container

PIECES = (
    "kick",
    "snare",
    "rim",
    "clap",
    "hat_closed",
    "hat_open",
    "tom_high",
    "tom_mid",
    "tom_low",
    "crash",
    "ride",
    "bell",
    "percussion",
)

# The first pattern that is found in a name decides.
_PATTERNS = (
    (r"rest|roll|loop", ""),
    (r"ride.*bell|bell.*ride", "bell"),
    (r"ride", "ride"),
    (r"tom[- _]?(hh?\b|hi|0?1)", "tom_high"),
    (r"tom[- _]?(ll?\b|lo|floor|0?[3-9])", "tom_low"),
    (r"tom", "tom_mid"),
    (r"h(i)?[- _]?hat.*open|open.*hat|\boh\b", "hat_open"),
    (r"h(i)?[- _]?hat|\bhh\b|\bch\b", "hat_closed"),
    (r"kick|kdrum|bass[- _]?drum|\bbd\b", "kick"),
    (r"rim|stick|side", "rim"),
    (r"snare|\bsd\b", "snare"),
    (r"clap", "clap"),
    (r"crash|cymb|china|splash", "crash"),
    (r"cow|conga|bongo|tamb|shaker|cabasa|clave|block|timbal|guiro", "percussion"),
)

# Roland's TD-11, on which the Groove MIDI Dataset was played, which extends General MIDI.
_MIDI = {
    **dict.fromkeys((35, 36), "kick"),
    **dict.fromkeys((38, 40), "snare"),
    37: "rim",
    39: "clap",
    **dict.fromkeys((22, 42, 44), "hat_closed"),
    **dict.fromkeys((26, 46), "hat_open"),
    **dict.fromkeys((48, 50), "tom_high"),
    **dict.fromkeys((45, 47), "tom_mid"),
    **dict.fromkeys((41, 43, 58), "tom_low"),
    **dict.fromkeys((49, 52, 55, 57), "crash"),
    **dict.fromkeys((51, 59), "ride"),
    53: "bell",
    **dict.fromkeys((54, 56, 60, 61, 62, 63, 64, 69, 70, 75, 76, 77), "percussion"),
}

# What is played instead of a piece that a kit lacks.
_INSTEAD = {
    "rim": ("snare",),
    "clap": ("snare",),
    "hat_open": ("hat_closed",),
    "tom_high": ("tom_mid", "tom_low"),
    "tom_mid": ("tom_high", "tom_low"),
    "tom_low": ("tom_mid", "tom_high"),
    "bell": ("ride", "hat_closed"),
    "ride": ("bell", "hat_closed"),
    "crash": ("ride", "hat_open"),
}


def piece_of_name(name: str) -> str | None:
    """The piece that a file's name speaks of; None for none.

    >>> piece_of_name("tr505-hihat-open")
    'hat_open'
    """
    plain = name.lower()
    for pattern, piece in _PATTERNS:
        if re.search(pattern, plain):
            return piece or None
    return None


def piece_of_midi(number: int) -> str | None:
    """The piece on a key of the drum channel; None for none."""
    return _MIDI.get(number)


def piece_or_instead(piece: str, kit: Container[str]) -> str | None:
    """The piece if the kit has it, else what stands in; None where nothing does."""
    return next((name for name in (piece, *_INSTEAD.get(piece, ())) if name in kit), None)
