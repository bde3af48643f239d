"""Names of stems, and what each of them covers of a song.

Two sides seldom cut a song alike: a model gives vocals and accompaniment, a data set has seven
instruments. Every name is taken as a set of elementary sources; "other" is whatever the
remaining names beside it leave, so it means less beside six stems than beside four.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SIX = ("vocals", "electric_guitar", "acoustic_guitar", "piano", "bass", "drums")
"""The six targets of Hung & Lerch, in their order."""

_ELEMENTS: dict[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in SIX},
    "guitar": frozenset({"electric_guitar", "acoustic_guitar"}),
    "percussive": frozenset({"drums"}),
}
_UNNAMED = "unnamed"

# Everything but one stem.
_ALL_BUT = {"accompaniment": "vocals", "harmonic": "percussive"}

_ALIASES = {
    **dict.fromkeys(("vocal", "voice", "vox", "singing", "singing_voice"), "vocals"),
    **dict.fromkeys(("drum", "percussion"), "drums"),
    **dict.fromkeys(("others", "residual"), "other"),
    **dict.fromkeys(("instrumental", "karaoke", "backing", "no_vocals"), "accompaniment"),
    "guitars": "guitar",
    **dict.fromkeys(("mixture", "full_mix"), "mix"),
    **dict.fromkeys(("e_guitar", "guitar_electric"), "electric_guitar"),
    **dict.fromkeys(("a_guitar", "guitar_acoustic"), "acoustic_guitar"),
}


def canonical(name: str) -> str:
    """A stem's name as this program writes it: lower case, underscores, one word a thing."""
    plain = re.sub(r"[\W_]+", "_", name.lower()).strip("_")
    return _ALIASES.get(plain, plain)


def is_known(name: str) -> bool:
    """Whether a canonical name says what it covers, alone or as a group such as `bass_other`."""
    return name == "other" or name in _ELEMENTS or name in _ALL_BUT or bool(group(name))


def group(name: str) -> tuple[str, ...]:
    """The names that a grouped stem is the sum of: bass and other for `bass_other`; else none."""
    return _pieces(name.split("_")) if "_" in name and name not in _ELEMENTS else ()


def _pieces(words: list[str]) -> tuple[str, ...]:
    for end in range(len(words), 0, -1):
        first = "_".join(words[:end])
        if first not in _ELEMENTS and first != "other":
            continue
        if end == len(words):
            return (first,)
        rest = _pieces(words[end:])
        if rest:
            return (first, *rest)
    return ()


def universe(names: Iterable[str]) -> frozenset[str]:
    """All elementary sources that stems of these names speak of, the unnamed rest with them."""
    unknown = {name for name in names if not is_known(name)}
    return frozenset({_UNNAMED}).union(unknown, *_ELEMENTS.values())


def coverage(names: Iterable[str], *, of: frozenset[str]) -> dict[str, frozenset[str]]:
    """The sources in each of `names`, which together describe one song made `of` a universe."""
    pieces = {name: group(name) or (name,) for name in names}
    told = [_element(piece) for parts in pieces.values() for piece in parts if _is_told(piece)]
    other = of.difference(*told)

    def sources(piece: str) -> frozenset[str]:
        if piece in _ALL_BUT:
            return of - _element(_ALL_BUT[piece])
        return other if piece == "other" else _element(piece)

    return {
        name: frozenset[str]().union(*(sources(piece) for piece in parts))
        for name, parts in pieces.items()
    }


def _is_told(piece: str) -> bool:
    return piece != "other" and piece not in _ALL_BUT


def _element(piece: str) -> frozenset[str]:
    return _ELEMENTS.get(piece, frozenset({piece}))
