"""What every reader is, and the words in which all of them say what a folder lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmixcli.data.tracks.model import Manifest
from unmixcli.errors import InputError

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".aif", ".aiff", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".wma"}
)


@dataclass(frozen=True)
class Reader:
    """A kind of data set.

    Attributes:
        kind: the name that users type.
        title: its name in sentences.
        layout: what its folder holds, as a phrase.
        detects: whether a folder looks like it; cheap, and True for incomplete ones too.
        read: the folder as a manifest; `InputError` where something is missing.
    """

    kind: str
    title: str
    layout: str
    detects: Callable[[Path], bool]
    read: Callable[[Path], Manifest]


def incomplete(title: str, folder: Path, *, missing: Sequence[Path | str]) -> InputError:
    """The error for a data set that lacks files; paths are shown below `folder`."""
    shown = [_below(path, folder) for path in missing[:3]]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return InputError(
        f"{title} in {folder} is incomplete: {', '.join(shown)}{more} not found; "
        "get a complete copy or take the track out."
    )


def _below(path: Path | str, folder: Path) -> str:
    if isinstance(path, Path) and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return str(path)


def need_tracks(title: str, folder: Path, *, layout: str, found: bool) -> None:
    """Raise the error for a folder in which a reader found no track at all."""
    if not found:
        raise InputError(f"{folder} is not {title}: looked for {layout}, found none.")


def need_files(title: str, folder: Path, *, files: Iterable[Path]) -> None:
    """Raise the error that names those of `files` that do not exist."""
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise incomplete(title, folder, missing=missing)


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder by name, none where it does not exist; hidden ones are left out."""
    return [path for path in _entries(folder) if path.is_dir()]


def audio_files(folder: Path) -> list[Path]:
    """Audio files in a folder by name; hidden ones (macOS leaves `._song.wav`) are left out."""
    return [p for p in _entries(folder) if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()]


def _entries(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def existing(**annotations: Path) -> dict[str, Path]:
    """Those annotations whose file exists, by kind."""
    return {kind: path for kind, path in annotations.items() if path.is_file()}
