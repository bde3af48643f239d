"""Folders of stems, as any tool leaves them: one folder a track, one file a stem.

The folder itself may be the track, and tracks may lie in folders named after their splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unmixcli.data.tracks.layout import Reader, audio_files, need_tracks, subfolders
from unmixcli.data.tracks.model import MIX, Manifest, Part, Track
from unmixcli.data.tracks.pitch_labels import CSV
from unmixcli.data.tracks.stem_names import canonical, is_known
from unmixcli.errors import InputError

PITCH_FILE = "vocals_f0.csv"
"""The pitch of the voice, lines of `time_s, f0_hz`, beside the stems."""

_SPLITS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}


def _is_track(folder: Path) -> bool:
    return any(is_known(canonical(path.stem)) for path in audio_files(folder))


def _track_folders(folder: Path) -> list[tuple[Path, str | None]]:
    if _is_track(folder):
        return [(folder, None)]
    inside: list[tuple[Path, str | None]] = [(p, None) for p in subfolders(folder) if _is_track(p)]
    for name, split in _SPLITS.items():
        inside += [(path, split) for path in subfolders(folder / name) if _is_track(path)]
    return inside


def _read(folder: Path) -> Manifest:
    tracks = _track_folders(folder)
    need_tracks(STEM_FOLDER.title, folder, layout=STEM_FOLDER.layout, found=bool(tracks))
    read = tuple(stem_folder_track(path, split=split) for path, split in tracks)
    return Manifest(folder.absolute().name, read)


def stem_folder_track(folder: Path, *, split: str | None = None) -> Track:
    """The track of a folder with a file a stem: `vocals.wav`, `bass_other.flac`, `mix.wav`.

    `vocals_f0.csv` beside them, lines of `time_s, f0_hz`, is the pitch of the voice.

    Raises `InputError` where two files hold the same stem.
    """
    files: dict[str, Path] = {}
    for path in audio_files(folder):
        name = canonical(path.stem)
        if name in files:
            raise InputError(
                f"{folder} has two files for {name}: {files[name].name} and {path.name}; "
                "take one of them out."
            )
        files[name] = path
    mixture = files.pop(MIX, None)
    return Track(
        name=folder.absolute().name,
        split=split,
        stems={name: (Part(path),) for name, path in _without_sums(files).items()},
        mixture=None if mixture is None else Part(mixture),
        annotations={CSV: pitch} if (pitch := folder / PITCH_FILE).is_file() else {},
    )


def _without_sums(files: Mapping[str, Path]) -> dict[str, Path]:
    """Leave out an accompaniment beside the stems that it is the sum of."""
    apart = set(files) - {"vocals", "accompaniment"}
    return {name: path for name, path in files.items() if name != "accompaniment" or not apart}


STEM_FOLDER = Reader(
    kind="stems",
    title="a folder of stems",
    layout="TRACK/vocals.wav and other stems (drums, bass, other, accompaniment, guitar, piano)",
    detects=lambda folder: bool(_track_folders(folder)),
    read=_read,
)
