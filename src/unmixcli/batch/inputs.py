"""What the user named: files, folders, globs or `-`, as a list of tracks."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from unmixcli.audio.read import AUDIO_EXTENSIONS
from unmixcli.batch.manifest import written_beside

STDIN = "-"


@dataclass(frozen=True)
class InputTrack:
    """One input.

    Attributes:
        path: the file; None is standard input.
        folder: where it lies below the folder or glob that named it.
        problem: why there is no track: a folder or glob in which there is nothing.
    """

    path: Path | None
    folder: PurePath = field(default_factory=PurePath)
    problem: str = ""

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
        exclude: the output folder; what a search finds there is left out if the folder lies
            inside the one searched, and so is, anywhere, what a manifest says we wrote.
    """
    kept: dict[Path | None, InputTrack] = {}
    for name in names:
        for track in _expand(name, recursive=recursive, exclude=exclude):
            kept.setdefault(track.path and track.path.absolute(), track)
    return list(kept.values())


def _expand(name: str, *, recursive: bool, exclude: Path | None) -> Iterator[InputTrack]:
    path = Path(name)
    if name == STDIN:
        yield InputTrack(None)
    elif os.path.isdir(path):  # noqa: PTH112 - False for names that are too long
        yield from _folder(path, recursive=recursive, exclude=exclude)
    elif glob.has_magic(name) and not os.path.lexists(path):
        yield from _glob(name, recursive=recursive, exclude=exclude)
    else:
        yield InputTrack(path)


def _folder(path: Path, *, recursive: bool, exclude: Path | None) -> Iterator[InputTrack]:
    found = _audio_files(path.rglob("*") if recursive else path.iterdir())
    files = [file for file in found if not _is_output(file, exclude, searched=path)]
    if not files:
        below = "" if recursive else "; --recursive searches the folders below it too"
        yield InputTrack(path, problem=f"{path}: holds no audio file{below}")
    for file in files:
        yield InputTrack(file, file.parent.relative_to(path))


def _glob(pattern: str, *, recursive: bool, exclude: Path | None) -> Iterator[InputTrack]:
    plain = [part for part in Path(pattern).parts if not glob.has_magic(part)]
    base = Path(*Path(pattern).parts[: len(plain)]) if _is_prefix(plain, pattern) else Path()
    matches = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - absolute ones too
    if not matches:
        yield InputTrack(Path(pattern), problem=f"{pattern}: matches no file")
    for match in matches:
        if match.is_dir():
            yield from _folder(match, recursive=recursive, exclude=exclude)
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


def _is_output(file: Path, out: Path | None, *, searched: Path) -> bool:
    if out is not None and out.resolve().is_relative_to(searched.resolve()):
        inside = out.resolve() != searched.resolve() and file.resolve().is_relative_to(
            out.resolve()
        )
        if inside:
            return True
    return file.name in written_beside(file.parent)
