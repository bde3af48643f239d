"""Files in a folder and in the zip archives there, as one list."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Entry:
    """A file: `member` names it within the archive `path`, and is empty for a plain file."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """The file's name without folders and extension."""
        return PurePosixPath(self.member).stem if self.member else self.path.stem

    def read(self) -> bytes:
        """Its bytes."""
        if not self.member:
            return self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.member)


def find_entries(folder: Path, suffixes: Sequence[str]) -> tuple[Entry, ...]:
    """All files with one of the suffixes in a folder, its subfolders and its zip archives."""
    if not folder.is_dir():
        return ()
    found: list[Entry] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes:
            found.append(Entry(path))
        elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = sorted(archive.namelist())
            found += [Entry(path, n) for n in names if PurePosixPath(n).suffix.lower() in suffixes]
    return tuple(found)
