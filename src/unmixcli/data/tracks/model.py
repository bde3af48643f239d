"""What a data set is once it has been read: tracks of stems of parts of files.

A stem is a sum of parts; a part is a piece of one file (one channel or one audio stream of it)
with a gain and a place in the track. A stem without parts is known to be silent, which is more
than a stem that is not listed: nothing is known about that one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from unmixcli.errors import InputError, UsageError
from unmixcli.finished import write_text

MIX = "mix"
"""The name of the mix among loaded stems; no stem may be called so."""

_FORMAT = "unmix-tracks"
_VERSION = 1


@dataclass(frozen=True)
class Part:
    """A piece of an audio file.

    Attributes:
        path: the file.
        gain: factor on its samples.
        channel: the one channel that is meant, of a file with two; None for all of them.
        stream: number of the audio stream in its container, 0 is the first.
        start_s: where the piece begins in the file.
        duration_s: its length, None up to the end of the file.
        offset_s: where the piece begins in the track.
    """

    path: Path
    gain: float = 1.0
    channel: Literal["left", "right"] | None = None
    stream: int = 0
    start_s: float = 0.0
    duration_s: float | None = None
    offset_s: float = 0.0


@dataclass(frozen=True)
class Track:
    """A song of a data set.

    Attributes:
        name: unique in its data set.
        stems: parts of each stem, by name; no parts mean silence.
        split: "train", "validation", "test" or what the data set has; None where it has none.
        mixture: the mix as the data set gives it; None means the sum of the stems.
        annotations: files by kind; `read_f0` knows those that hold pitch.
        sample_rate: at which its parts belong together, in Hz; None for the rate of the files.
        notes: what a report should say about it.
    """

    name: str
    stems: Mapping[str, tuple[Part, ...]]
    split: str | None = None
    mixture: Part | None = None
    annotations: Mapping[str, Path] = field(default_factory=dict)
    sample_rate: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if MIX in self.stems:
            raise InputError(f"Track {self.name} has a stem called '{MIX}'; rename it.")
        if not self.parts:
            raise InputError(f"Track {self.name} has no audio file.")

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part of the mixture and of the stems."""
        mixture = () if self.mixture is None else (self.mixture,)
        return mixture + tuple(part for parts in self.stems.values() for part in parts)


@dataclass(frozen=True)
class Manifest:
    """The tracks of a data set, in the order of their names within the splits."""

    dataset: str
    tracks: tuple[Track, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of its splits, in the order of the tracks."""
        return tuple(dict.fromkeys(track.split for track in self.tracks if track.split))

    def select(self, split: str | None) -> Manifest:
        """The tracks of one split, of all for None.

        Raises `UsageError` where the data set has no such split.
        """
        if split is None:
            return self
        if split not in self.splits:
            known = " or ".join(self.splits) or "none at all: leave the split out"
            raise UsageError(f"{self.dataset} has no split '{split}'; it has {known}.")
        return replace(self, tracks=tuple(t for t in self.tracks if t.split == split))

    def to_json(self, path: Path) -> None:
        """Write the manifest; files below the folder of `path` are kept relative to it."""
        base = path.absolute().parent
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "dataset": self.dataset,
            "tracks": [_track_to_json(track, base) for track in self.tracks],
        }
        write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def from_json(cls, path: Path) -> Manifest:
        """Read what `to_json` wrote; `InputError` where it is something else."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"The manifest {path} cannot be read: {error}.") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise InputError(f"{path} is not a manifest of tracks (format '{_FORMAT}').")
        if content.get("version") != _VERSION:
            raise InputError(
                f"The manifest {path} has version {content.get('version')}; "
                f"this program reads version {_VERSION}: make it anew."
            )
        base = path.absolute().parent
        try:
            tracks = tuple(_track_from_json(track, base) for track in content["tracks"])
            return cls(str(content["dataset"]), tracks)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(
                f"The manifest {path} is damaged ({error!r}); make it anew."
            ) from error


def _path_to_json(path: Path, base: Path) -> str:
    whole = path.absolute()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def _part_to_json(part: Part, base: Path) -> dict[str, Any]:
    values = {f.name: getattr(part, f.name) for f in fields(Part) if f.name != "path"}
    told = {f.name: values[f.name] for f in fields(Part)[1:] if values[f.name] != f.default}
    return {"path": _path_to_json(part.path, base), **told}


def _part_from_json(content: dict[str, Any], base: Path) -> Part:
    part = Part(**{**content, "path": base / content["path"]})
    if part.channel not in (None, "left", "right"):
        raise ValueError(f"channel {part.channel}")
    return part


def _track_to_json(track: Track, base: Path) -> dict[str, Any]:
    return {
        "name": track.name,
        "split": track.split,
        "sample_rate": track.sample_rate,
        "mixture": None if track.mixture is None else _part_to_json(track.mixture, base),
        "stems": {
            name: [_part_to_json(part, base) for part in parts]
            for name, parts in track.stems.items()
        },
        "annotations": {k: _path_to_json(p, base) for k, p in track.annotations.items()},
        "notes": list(track.notes),
    }


def _track_from_json(content: dict[str, Any], base: Path) -> Track:
    mixture = content["mixture"]
    return Track(
        name=content["name"],
        split=content["split"],
        sample_rate=content["sample_rate"],
        mixture=None if mixture is None else _part_from_json(mixture, base),
        stems={
            name: tuple(_part_from_json(part, base) for part in parts)
            for name, parts in content["stems"].items()
        },
        annotations={kind: base / path for kind, path in content["annotations"].items()},
        notes=tuple(content["notes"]),
    )
