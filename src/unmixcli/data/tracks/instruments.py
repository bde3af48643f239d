"""Instruments of data sets as the six targets of Hung & Lerch, or the four of MUSDB18.

Electric pianos, organs and synthesizers are "other", as are pitched percussion and crowds; drum
machines and unpitched percussion are drums; speakers, rappers and beat-boxers are vocals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from unmixcli.data.tracks.model import Manifest, Part
from unmixcli.data.tracks.stem_names import SIX

SIX_AND_OTHER = (*SIX, "other")
FOUR = ("vocals", "drums", "bass", "other")


def _each(target: str, names: str) -> dict[str, str]:
    return dict.fromkeys((name.strip() for name in names.split(",")), target)


# The taxonomy of MedleyDB; what it has and this has not is "other".
_MEDLEYDB = {
    **_each(
        "vocals",
        "male singer, female singer, male speaker, female speaker, male rapper, female rapper, "
        "male screamer, female screamer, beatboxing, vocalists, choir",
    ),
    **_each("electric_guitar", "clean electric guitar, distorted electric guitar"),
    **_each("acoustic_guitar", "acoustic guitar"),
    **_each("piano", "piano, tack piano"),
    **_each("bass", "electric bass, double bass"),
    **_each(
        "drums",
        "drum set, drum machine, kick drum, bass drum, snare drum, toms, high hat, cymbal, gong, "
        "triangle, sleigh bells, cowbell, cabasa, guiro, gu, castanet, claps, rattle, shaker, "
        "maracas, bongo, conga, tambourine, darbuka, doumbek, tabla, auxiliary percussion, snaps",
    ),
}


def medleydb_target(instruments: Iterable[str], *, component: str) -> str:
    """One of the six, or "other", for a stem's instruments and its role in the song.

    A stem of several instruments that belong to different targets is "other"; one whose
    `component` is "bass" (a synthesizer, a tuba) is bass.
    """
    targets = {_MEDLEYDB.get(instrument, "other") for instrument in instruments}
    target = targets.pop() if len(targets) == 1 else "other"
    return "bass" if target == "other" and component == "bass" else target


def slakh_target(inst_class: str, *, program: int, is_drum: bool) -> str:
    """One of the six, or "other", for a Slakh stem.

    General MIDI programs (from 0) 24 and 25 are acoustic guitars, 26–31 electric ones; the whole
    class Piano counts as piano, as in Slakh's own benchmarks. A synthetic choir is "other".
    """
    if is_drum or inst_class == "Drums":
        return "drums"
    if inst_class == "Guitar":
        return "acoustic_guitar" if program in (24, 25) else "electric_guitar"
    return {"Bass": "bass", "Piano": "piano"}.get(inst_class, "other")


def by_target(parts: Iterable[tuple[str, Part]]) -> dict[str, tuple[Part, ...]]:
    """All seven stems from (target, part); those without parts are known to be silent."""
    listed = tuple(parts)
    return {
        name: tuple(part for target, part in listed if target == name) for name in SIX_AND_OTHER
    }


def to_four(manifest: Manifest) -> Manifest:
    """The manifest of seven stems as one of four: guitars and piano join "other"."""
    tracks = tuple(replace(track, stems=_four(track.stems)) for track in manifest.tracks)
    return replace(manifest, tracks=tracks)


def _four(stems: Mapping[str, tuple[Part, ...]]) -> dict[str, tuple[Part, ...]]:
    joined = [(name if name in FOUR else "other", part) for name in stems for part in stems[name]]
    return {name: tuple(part for target, part in joined if target == name) for name in FOUR}
