"""Tap & Fiddle (Lordelo et al. 2021): fiddle tunes with foot-tapping, 23 to train and 5 to test.

The paper names the split and the two sources, not the files: any names below `train/` and
`test/` will do of which one says foot or tap, one violin or fiddle and one mix, whether as the
file's name (`Polska/foot.wav`), its ending (`Polska_foot.wav`) or its folder (`foot/Polska.wav`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unmixcli.data.tracks.layout import (
    Reader,
    audio_files,
    incomplete,
    need_tracks,
    subfolders,
)
from unmixcli.data.tracks.model import Manifest, Part, Track

_SPLITS = ("train", "test")


def _word(names: str) -> re.Pattern[str]:
    """The names as words or as humps (`PolskaFoot`), not within a word: no tap in "Stapel"."""
    humps = "|".join(name.capitalize() for name in names.split("|"))
    return re.compile(rf"(?:(?<![A-Za-z])(?i:{names})|(?<=[a-z])(?:{humps}))(?![a-z])")


_ROLES = {
    "percussive": _word("foot|feet|tap|taps|tapping|foottapping"),
    "harmonic": _word("violin|fiddle"),
    "mix": _word("mix|mixture|mixed"),
}


@dataclass(frozen=True)
class _File:
    path: Path
    split: str
    track: str
    role: str


def _files(folder: Path) -> list[_File]:
    found = []
    for split in _SPLITS:
        top = next((p for p in subfolders(folder) if p.name.lower() == split), folder / split)
        found += [_file(path, path.relative_to(top), split) for path in _walk(top)]
    return [file for file in found if file is not None]


def _walk(folder: Path) -> Iterator[Path]:
    yield from audio_files(folder)
    for below in subfolders(folder):
        yield from _walk(below)


def _file(path: Path, relative: Path, split: str) -> _File | None:
    words = [*relative.parts[:-1], relative.stem]
    for at in range(len(words) - 1, -1, -1):
        for role, pattern in _ROLES.items():
            if pattern.search(words[at]):
                words[at] = re.sub(r"^[\W_]+|[\W_]+$", "", pattern.sub("", words[at]))
                return _File(path, split, "/".join(word for word in words if word), role)
    return None


def _detects(folder: Path) -> bool:
    roles = {file.role for file in _files(folder)}
    return {"percussive", "harmonic"} <= roles


def _read(folder: Path) -> Manifest:
    files = _files(folder)
    need_tracks(TAP_AND_FIDDLE.title, folder, layout=TAP_AND_FIDDLE.layout, found=bool(files))
    tracks: dict[tuple[str, str], dict[str, Path]] = {}
    for file in files:
        tracks.setdefault((file.split, file.track), {})[file.role] = file.path
    missing = [
        f"{split}/{name}: {role}"
        for (split, name), roles in tracks.items()
        for role in ("percussive", "harmonic")
        if role not in roles
    ]
    if missing:
        raise incomplete(TAP_AND_FIDDLE.title, folder, missing=missing)
    read = tuple(_track(name, split, roles) for (split, name), roles in tracks.items())
    return Manifest("Tap & Fiddle", read)


def _track(name: str, split: str, roles: dict[str, Path]) -> Track:
    return Track(
        name=name,
        split=split,
        stems={role: (Part(roles[role]),) for role in ("percussive", "harmonic")},
        mixture=Part(roles["mix"]) if "mix" in roles else None,
    )


TAP_AND_FIDDLE = Reader(
    kind="tap-and-fiddle",
    title="Tap & Fiddle",
    layout="audio below train/ and test/ whose names say foot or tap, violin or fiddle, and mix",
    detects=_detects,
    read=_read,
)
