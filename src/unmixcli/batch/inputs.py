"""What the user named: files, folders, globs or `-`, as a list of tracks."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from unmixcli.audio.read import AUDIO_EXTENSIONS
from unmixcli.errors import InputError

STDIN = "-"


@dataclass(frozen=True)
class InputTrack:
    """One input.

    Attributes:
        path: the file; None is standard input.
        folder: where it lies below the folder or glob that named it.
    """

    path: Path | None
    folder: PurePath = field(default_factory=PurePath)

    @property
    def name(self) -> str:
        """The track's name: the file's without its extension."""
        if self.path is None:
            return "stdin"
        # Native Instruments' song.stem.mp4 is the song "song".
        name = self.path.name
        return name[: -len(".stem.mp4")] if name.lower().endswith(".stem.mp4") else self.path.stem

    @property
    def label(self) -> str:
        """How messages name it."""
        return "stdin" if self.path is None else str(self.path)


def find_inputs(
    names: Sequence[str], *, recursive: bool = False, exclude: Path | None = None
) -> list[InputTrack]:
    """List the tracks that `names` stand for, each once, in the order named.

    Args:
        names: files, folders, globs or `-`. A named file is taken whatever it is called; in
            folders files with the extension of audio or video are.
        recursive: whether folders are searched with all that lies below them.
        exclude: the output folder; what lies in it is no input.

    Raises:
        InputError: for a folder or glob in which there is nothing.
    """
    found = (track for name in names for track in _expand(name, recursive=recursive))
    kept: dict[Path | None, InputTrack] = {}
    for track in found:
        if not _inside(track, exclude, named=names):
            kept.setdefault(track.path and track.path.absolute(), track)
    return list(kept.values())


def _expand(name: str, *, recursive: bool) -> Iterator[InputTrack]:
    path = Path(name)
    if name == STDIN:
        yield InputTrack(None)
    elif path.is_dir():
        yield from _folder(path, recursive=recursive)
    elif not path.exists() and glob.has_magic(name):
        yield from _glob(name, recursive=recursive)
    else:
        yield InputTrack(path)


def _folder(path: Path, *, recursive: bool) -> Iterator[InputTrack]:
    files = _audio_files(path.rglob("*") if recursive else path.iterdir())
    if not files:
        below = "" if recursive else "; --recursive searches the folders below it too"
        raise InputError(f"{path}: holds no audio file{below}")
    for file in files:
        yield InputTrack(file, file.parent.relative_to(path))


def _glob(pattern: str, *, recursive: bool) -> Iterator[InputTrack]:
    plain = [part for part in Path(pattern).parts if not glob.has_magic(part)]
    base = Path(*Path(pattern).parts[: len(plain)]) if _is_prefix(plain, pattern) else Path()
    matches = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - absolute ones too
    if not matches:
        raise InputError(f"{pattern}: matches no file")
    for match in matches:
        if match.is_dir():
            yield from _folder(match, recursive=recursive)
        else:
            inside = match.parent.is_relative_to(base)
            yield InputTrack(match, match.parent.relative_to(base) if inside else PurePath())


def _is_prefix(plain: Sequence[str], pattern: str) -> bool:
    return list(Path(pattern).parts[: len(plain)]) == list(plain)


def _audio_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in AUDIO_EXTENSIONS
        and not path.name.startswith(".")
        and path.is_file()
    )


def _inside(track: InputTrack, folder: Path | None, *, named: Sequence[str]) -> bool:
    if track.path is None or folder is None or str(track.path) in named:
        return False
    return track.path.resolve().is_relative_to(folder.resolve())
