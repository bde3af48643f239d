"""Multitracks of the Mixing Secrets library (cambridge-mt): a folder a song, a file a microphone.

Files are numbered and named by hand (`01_Kick.wav`, `12_ElecGtr2DI.wav`, `20_LeadVox.wav`), so
names are matched by patterns. There is no published balance: stems are summed at unity gain, and
every track carries a note that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unmixcli.data.tracks.instruments import by_target
from unmixcli.data.tracks.layout import Reader, audio_files, need_tracks, subfolders
from unmixcli.data.tracks.model import Manifest, Part, Track

_NUMBERED = re.compile(r"\d{2,3}_(?P<name>.+)")
_FOLDER_DEPTH = 3
_NOTE = "microphones summed at unity gain, not the published mix"

# The first that is found in a name decides: a room microphone of a guitar is a guitar, a bass
# drum is no bass, and neither is a bassoon.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (target, re.compile(pattern, re.IGNORECASE))
    for target, pattern in (
        ("other", r"synth(?!.*bass)|bassoon|bass_?(clarinet|sax|trombone|flute)|vocoder|strap"),
        ("vocals", r"vox|vocal|voice|sing(er|ing)|choir|bv|harmon(y|ies)|ad_?lib|(^|_)rap|scream"),
        ("acoustic_guitar", r"ac(oustic|ous)?_?(gtr|guit)|nylon|steel_?string"),
        ("electric_guitar", r"gtr|guit(?!ar_?synth)|(^|_)eg\d*$"),
        (
            "drums",
            r"bass_?drum|kick|snare|stick|tom\d*([a-z]|_|$)|hi_?hat|hat\d*$|overhead|oh(s|_|\d|$)",
        ),
        ("bass", r"bass"),
        ("piano", r"piano|pno"),
        ("drums", r"cymbal|ride|crash|drum|perc|tamb|shaker|clap|snap|cajon|conga|bongo|djembe"),
        ("drums", r"cowbell|clave|tabla|loop|beat|(^|_)(808|909)|room"),
    )
)
_NOT_A_STEM = re.compile(r"(^|_)(full)?_?(mix|master|preview)(ed|down)?\d*$", re.IGNORECASE)


def target_of(name: str) -> str:
    """One of the six, or "other", for a file name without number and extension."""
    return next((target for target, pattern in _PATTERNS if pattern.search(name)), "other")


def _stem_files(folder: Path) -> list[Path]:
    numbered = [path for path in audio_files(folder) if _NUMBERED.fullmatch(path.stem)]
    return [path for path in numbered if not _NOT_A_STEM.search(path.stem)]


def _track_folders(folder: Path, *, depth: int = _FOLDER_DEPTH) -> Iterator[Path]:
    if len(_stem_files(folder)) > 1:
        yield folder
    elif depth:
        for below in subfolders(folder):
            yield from _track_folders(below, depth=depth - 1)


def _read(folder: Path) -> Manifest:
    tracks = list(_track_folders(folder))
    need_tracks(MIXING_SECRETS.title, folder, layout=MIXING_SECRETS.layout, found=bool(tracks))
    return Manifest("Mixing Secrets", tuple(_track(track) for track in tracks))


def _track(folder: Path) -> Track:
    stems = ((target_of(path.stem.split("_", 1)[1]), Part(path)) for path in _stem_files(folder))
    return Track(name=folder.name, stems=by_target(stems), notes=(_NOTE,))


MIXING_SECRETS = Reader(
    kind="mixing-secrets",
    title="a Mixing Secrets library",
    layout="folders of numbered files such as 01_Kick.wav and 20_LeadVox.wav",
    detects=lambda folder: any(True for _ in _track_folders(folder)),
    read=_read,
)
