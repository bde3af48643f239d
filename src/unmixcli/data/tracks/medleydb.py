"""MedleyDB 1 and 2 (Bittner et al. 2014, 2016): stems with instruments and mixing coefficients.

The mix is the sum of the weighted stems, as in Stoller et al. (2018) and Jansson (2019), because
the mastered file `*_MIX.wav` is not that sum; it is kept among the annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmixcli.data.tracks.instruments import by_target, medleydb_target
from unmixcli.data.tracks.layout import Reader, existing, incomplete, need_tracks, subfolders
from unmixcli.data.tracks.model import Manifest, Part, Track
from unmixcli.data.tracks.yaml_file import read_yaml
from unmixcli.errors import InputError

_AUDIO_FOLDERS = ("", "Audio", "V1", "V2")
_COEFFICIENTS = "mixing_coefficients.yaml"
_COEFFICIENT_FOLDERS = ("", "resources", "Metadata", "medleydb/resources")
_LABELS = {
    "melody1": "MELODY1.csv",
    "melody2": "MELODY2.csv",
    "melody3": "MELODY3.csv",
    "activation": "ACTIVATION_CONF.lab",
}


def _track_folders(folder: Path) -> list[Path]:
    return [
        track
        for name in _AUDIO_FOLDERS
        for track in subfolders(folder / name)
        if (track / f"{track.name}_STEMS").is_dir() or _metadata_path(folder, track).is_file()
    ]


def _metadata_path(folder: Path, track: Path) -> Path:
    name = f"{track.name}_METADATA.yaml"
    apart = folder / "Metadata" / name
    return apart if apart.is_file() else track / name


def _read(folder: Path) -> Manifest:
    tracks = _track_folders(folder)
    need_tracks(MEDLEYDB.title, folder, layout=MEDLEYDB.layout, found=bool(tracks))
    shared = _shared_coefficients(folder)
    labels = {path.name: path for path in (folder / "Annotations").rglob("*_*.*")}
    read = tuple(_track(folder, track, shared=shared, labels=labels) for track in tracks)
    return Manifest("MedleyDB", read)


def _shared_coefficients(folder: Path) -> Mapping[Any, Any]:
    for name in _COEFFICIENT_FOLDERS:
        path = folder / name / _COEFFICIENTS
        if path.is_file():
            return read_yaml(path)
    return {}


def _track(
    folder: Path, track: Path, *, shared: Mapping[Any, Any], labels: Mapping[str, Path]
) -> Track:
    path = _metadata_path(folder, track)
    if not path.is_file():
        raise incomplete(MEDLEYDB.title, folder, missing=[path])
    metadata = read_yaml(path)
    entries = _entries(metadata, path)
    coefficients = _coefficients(metadata, shared.get(track.name), path=path)
    stems = [
        (_target(entry), Part(track / f"{track.name}_STEMS" / entry["filename"], coefficient))
        for entry, coefficient in zip(entries, coefficients, strict=True)
    ]
    missing = [part.path for _, part in stems if not part.path.is_file()]
    if missing:
        raise incomplete(MEDLEYDB.title, folder, missing=missing)
    found = {kind: labels.get(f"{track.name}_{end}") for kind, end in _LABELS.items()}
    return Track(
        name=track.name,
        stems=by_target(stems),
        annotations={
            **{kind: label for kind, label in found.items() if label is not None},
            **existing(mastered_mix=track / f"{track.name}_MIX.wav"),
        },
        notes=("stems bleed into each other",) if metadata.get("has_bleed") == "yes" else (),
    )


def _entries(metadata: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    stems = metadata.get("stems")
    entries = [stems[key] for key in sorted(stems, key=_number)] if isinstance(stems, dict) else []
    if not entries or not all(isinstance(e, dict) and e.get("filename") for e in entries):
        raise InputError(f"The metadata {path} lists no stems with a filename; get a fresh copy.")
    return entries


def _number(key: object) -> int:
    """1 for `S01` of the metadata and for 1 of the table."""
    return int(str(key).removeprefix("S"))


def _target(entry: Mapping[str, Any]) -> str:
    instrument = entry.get("instrument") or "Unlabeled"
    listed = instrument if isinstance(instrument, list) else [instrument]
    return medleydb_target(listed, component=entry.get("component") or "")


def _coefficients(metadata: Mapping[str, Any], shared: Any, *, path: Path) -> list[float]:
    """Gains in the order of the stems: from the package's table, else from the metadata."""
    table = shared or metadata.get("mixing_coefficients")
    if not isinstance(table, dict):
        raise InputError(
            f"The mixing coefficients of {path.stem.removesuffix('_METADATA')} were not found: "
            f"looked into {_COEFFICIENTS} beside the tracks and into {path}; "
            f"copy the {_COEFFICIENTS} of the package medleydb into the data set's folder."
        )
    numbers = {_number(key): float(value) for key, value in table.items()}
    stems = sorted(_number(key) for key in metadata["stems"])
    lacking = [number for number in stems if number not in numbers]
    if lacking:
        raise InputError(f"The mixing coefficients for {path} lack stem {lacking[0]}.")
    return [numbers[number] for number in stems]


MEDLEYDB = Reader(
    kind="medleydb",
    title="MedleyDB",
    layout="Audio/NAME/NAME_METADATA.yaml with NAME_STEMS/*.wav, and mixing_coefficients.yaml",
    detects=lambda folder: bool(_track_folders(folder)),
    read=_read,
)
