"""Slakh2100, its redux and BabySlakh (Manilow et al. 2019): songs rendered from MIDI, unsung.

The splits are folders; "omitted" holds what the redux leaves out as duplicates and stays a split
of its own, which nobody gets without asking. Tracks without split folders are split by number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmixcli.data.tracks.instruments import by_target, slakh_target
from unmixcli.data.tracks.layout import Reader, existing, incomplete, need_tracks, subfolders
from unmixcli.data.tracks.model import Manifest, Part, Track
from unmixcli.data.tracks.yaml_file import read_yaml
from unmixcli.errors import InputError

_SPLITS = ("train", "validation", "test", "omitted")
_LAST_OF_TRAIN, _LAST_OF_VALIDATION = 1500, 1875
_SUFFIXES = (".flac", ".wav")


def _track_folders(folder: Path) -> list[Path]:
    return [
        track
        for name in (*_SPLITS, "")
        for track in subfolders(folder / name)
        if re.fullmatch(r"Track\d{5}", track.name)
    ]


def _read(folder: Path) -> Manifest:
    tracks = _track_folders(folder)
    need_tracks(SLAKH.title, folder, layout=SLAKH.layout, found=bool(tracks))
    return Manifest("Slakh2100", tuple(_track(folder, track) for track in tracks))


def _track(folder: Path, track: Path) -> Track:
    path = track / "metadata.yaml"
    if not path.is_file():
        raise incomplete(SLAKH.title, folder, missing=[path])
    entries = read_yaml(path).get("stems")
    if not isinstance(entries, dict):
        raise InputError(f"The metadata {path} lists no stems; get a fresh copy.")
    rendered = {name: entry for name, entry in entries.items() if entry.get("audio_rendered", True)}
    files = {name: _audio(track / "stems", name) for name in rendered}
    mixture = _audio(track, "mix")
    missing = [path for path in (*files.values(), mixture) if not path.is_file()]
    if missing:
        raise incomplete(SLAKH.title, folder, missing=missing)
    return Track(
        name=track.name,
        split=_split(track),
        stems=by_target((_target(rendered[name]), Part(path)) for name, path in files.items()),
        mixture=Part(mixture),
        annotations=existing(midi=track / "all_src.mid"),
    )


def _audio(folder: Path, name: str) -> Path:
    found = [folder / f"{name}{suffix}" for suffix in _SUFFIXES]
    return next((path for path in found if path.is_file()), found[0])


def _target(entry: Mapping[str, Any]) -> str:
    return slakh_target(
        str(entry.get("inst_class")),
        program=int(entry.get("program_num", -1)),
        is_drum=bool(entry.get("is_drum")),
    )


def _split(track: Path) -> str:
    if track.parent.name in _SPLITS:
        return track.parent.name
    number = int(track.name.removeprefix("Track"))
    if number <= _LAST_OF_TRAIN:
        return "train"
    return "validation" if number <= _LAST_OF_VALIDATION else "test"


SLAKH = Reader(
    kind="slakh2100",
    title="Slakh2100",
    layout="{train,validation,test}/Track00001/metadata.yaml with mix.flac and stems/S00.flac",
    detects=lambda folder: bool(_track_folders(folder)),
    read=_read,
)
