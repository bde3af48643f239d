"""The user's folder of sounds, and what is found in it.

Looked for are `drums/*`, `bass/*`, `other/*`, `singing/*`, `scores/*`, `impulses/*` and
`songs/TRACK/vocals.*`. Only drums, bass and singing are needed; the rest is made by synthesis or
made up where it is missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmixcli.data.render.entries import Entry, find_entries
from unmixcli.data.render.names import parse_name
from unmixcli.data.render.pieces import piece_of_name
from unmixcli.data.render.pitch_curve import pitch_file
from unmixcli.data.render.sample_set import articulations
from unmixcli.data.render.soundfonts import NO_FONTS, SoundFonts
from unmixcli.errors import InputError

_AUDIO = frozenset({".wav", ".flac", ".aif", ".aiff", ".ogg", ".oga", ".opus", ".mp3"})
_SHEETS = (".mxl", ".musicxml", ".xml")
_GROOVES = (".mid", ".midi")
_NEEDED_PIECES = {"kick", "snare"}


@dataclass(frozen=True)
class FileSet:
    """Files that belong together: a kit, an articulation, the takes of a singer's folder."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Source:
    """What there is to make songs of; `digest` changes with any file's name or size.

    It changes with the version of fluidsynth, too, where that plays sound fonts.
    """

    folder: Path
    kits: tuple[FileSet, ...]
    basses: tuple[FileSet, ...]
    others: tuple[FileSet, ...]
    singers: tuple[FileSet, ...]
    sung_samples: tuple[FileSet, ...]
    sheets: tuple[Entry, ...]
    grooves: tuple[Entry, ...]
    impulses: tuple[Path, ...]
    digest: str
    soundfonts: SoundFonts = NO_FONTS


def find_source(
    folder: Path,
    *,
    exclude: tuple[str, ...] = (),
    soundfonts: SoundFonts = NO_FONTS,
) -> Source:
    """Look through a folder; folders whose path ends in one of `exclude` are left out.

    Raises `InputError` where it does not exist, or has no drums, no bass or no singing.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; give --source the folder of your sounds.")
    folders = _folders(folder, exclude)
    kits = [s for s in _sets(folder, folders, "drums") if _is_kit(s)]
    basses = _instruments(_sets(folder, folders, "bass"))
    singing = _sets(folder, folders, "singing")
    sung = _instruments(singing)
    singers = [*_singers(singing, sung), *_song_voices(folder, folders)]
    _need(kits, folder, what="drums/KIT with files of a kick and a snare")
    _need(basses, folder, what="bass/NAME with samples that have pitches in their names")
    _need([*singers, *sung], folder, what="singing/NAME with recordings of solo voices")
    return Source(
        folder=folder,
        kits=tuple(kits),
        basses=tuple(basses),
        others=tuple(_instruments(_sets(folder, folders, "other"))),
        singers=tuple(singers),
        sung_samples=tuple(sung),
        sheets=find_entries(folder / "scores", _SHEETS),
        grooves=find_entries(folder / "scores", _GROOVES),
        impulses=tuple(f for s in _sets(folder, folders, "impulses") for f in s.files),
        digest=_digest(folder, folders, soundfonts),
        soundfonts=soundfonts,
    )


def _folders(root: Path, exclude: Sequence[str]) -> dict[Path, tuple[Path, ...]]:
    """The audio files below a folder by the folder that they lie in."""
    found: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix.lower() not in _AUDIO or any(p.startswith(".") for p in inside.parts):
            continue
        if not any(_within(inside.parent, name) for name in exclude):
            found.setdefault(path.parent, []).append(path)
    return {folder: tuple(files) for folder, files in found.items()}


def _within(folder: Path, excluded: str) -> bool:
    return any(f"/{part.as_posix()}".endswith(f"/{excluded}") for part in (folder, *folder.parents))


def _sets(root: Path, folders: dict[Path, tuple[Path, ...]], category: str) -> list[FileSet]:
    base = root / category
    return [
        FileSet(folder.relative_to(root).as_posix(), files)
        for folder, files in folders.items()
        if folder.is_relative_to(base)
    ]


def _is_kit(files: FileSet) -> bool:
    return {piece_of_name(path.stem) for path in files.files} >= _NEEDED_PIECES


def _instruments(sets: Iterable[FileSet]) -> list[FileSet]:
    return [
        FileSet(f"{files.name}:{name}" if name else files.name, paths)
        for files in sets
        for name, paths in articulations(files.files).items()
        if not _is_takes(files)
    ]


def _is_takes(files: FileSet) -> bool:
    """Numbered takes of singers, `pjs001_song`, are no samples although they are many."""
    return files.name.startswith("singing/") and all(
        parse_name(path.stem).pitch is None for path in files.files
    )


def _singers(singing: Iterable[FileSet], sung: Sequence[FileSet]) -> list[FileSet]:
    sampled = {path for files in sung for path in files.files}
    return [
        singer for files in singing if not sampled & set(files.files) for singer in _apart(files)
    ]


def _apart(files: FileSet) -> list[FileSet]:
    """One set a singer, told by the first word of the files' names: `anna_01`, `bob_01`."""
    by_word: dict[str, list[Path]] = {}
    for path in files.files:
        found = re.match(r"[^\W\d_]+", path.stem)
        by_word.setdefault(found.group() if found else "", []).append(path)
    if len(by_word) == 1:
        return [files]
    return [FileSet(f"{files.name}:{word}", tuple(paths)) for word, paths in by_word.items()]


def _song_voices(root: Path, folders: dict[Path, tuple[Path, ...]]) -> list[FileSet]:
    found = []
    for files in _sets(root, folders, "songs"):
        voices = tuple(path for path in files.files if path.stem.lower() == "vocals")
        found += [FileSet(files.name, voices)] if voices else []
    return found


def _need(found: Sequence[FileSet], folder: Path, *, what: str) -> None:
    if not found:
        raise InputError(f"{folder} has no {what}; add it, or give another --source.")


def _digest(folder: Path, folders: dict[Path, tuple[Path, ...]], fonts: SoundFonts) -> str:
    sounds = [path for files in folders.values() for path in files]
    pitches = [pitch for path in sounds if (pitch := pitch_file(path)).is_file()]
    scores = sorted(path for path in (folder / "scores").rglob("*") if path.is_file())
    words = [
        f"{path.relative_to(folder).as_posix()} {path.stat().st_size}"
        for path in (*sounds, *pitches, *scores)
    ]
    return hashlib.sha256("\n".join([*words, *fonts.facts]).encode()).hexdigest()[:16]
