"""What scores depend on, as hashes: they decide whether a track is done."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from unmixcli.data.tracks import Part, Track, native_rate
from unmixcli.errors import InputError
from unmixcli.models.weights import sha256


class FileHashes:
    """The sha256 of files, each read once a run; tracks may share files."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """The sha256 of a file; `InputError` where it cannot be read."""
        if path not in self._known:
            try:
                self._known[path] = sha256(path)
            except OSError as error:
                raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        return self._known[path]


def track_hash(track: Track, hashes: FileHashes) -> str:
    """A hash of all audio and annotations of a track; where they lie is no part of it."""
    return digest(
        {
            "name": track.name,
            # What it comes to, so that the same audio has one hash whatever read it.
            "sample_rate": native_rate(track),
            "mixture": None if track.mixture is None else _part(track.mixture, hashes),
            "stems": {
                name: [_part(part, hashes) for part in parts] for name, parts in track.stems.items()
            },
            "annotations": {kind: hashes.of(path) for kind, path in track.annotations.items()},
        }
    )


def digest(content: Any) -> str:
    """The sha256 of something that JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _part(part: Part, hashes: FileHashes) -> dict[str, Any]:
    values = {f.name: getattr(part, f.name) for f in fields(Part) if f.name != "path"}
    return {**values, "sha256": hashes.of(part.path)}
