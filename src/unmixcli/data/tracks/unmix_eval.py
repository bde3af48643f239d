"""The project's own evaluation audio: four songs, six overlays of unseen singers, one solo voice.

Gains and groups are those of its README; overlays are voices laid over the backings of two of the
songs, listed in `overlays.toml`. The solo voice, which has its pitch annotated, is the split
"pitch"; all others are "test".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unmixcli.audio.read import probe
from unmixcli.data.tracks import pitch_labels
from unmixcli.data.tracks.layout import Reader, existing, incomplete, need_tracks
from unmixcli.data.tracks.model import Manifest, Part, Track
from unmixcli.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_OVERLAYS = "overlays.toml"
_OVERLAY_RATE = 44100
_OVERLAY_KEYS = frozenset({"name", "backing", "start_s", "length_s", "gain", "voice"})
_SOLO = Path("singing", "vocadito_1")


@dataclass(frozen=True)
class _Song:
    """Files of each stem without extension; no files mean known silence."""

    files: Mapping[str, tuple[str, ...]]
    suffix: str
    gain: float = 1.0
    notes: tuple[str, ...] = ()


_SONGS = {
    "francium": _Song(
        {
            "vocals": ("vocals",),
            "drums": ("drums",),
            "bass": ("bass",),
            "other": ("other", "bass_other"),
        },
        ".opus",
        notes=("artist seen in training", "a synth that also holds bass counts as other"),
    ),
    "clingo": _Song({n: (n,) for n in ("vocals", "drums", "bass", "other")}, ".flac"),
    "playlist": _Song(
        {
            "vocals": ("Vocals30",),
            "bass_drums": ("BassDrums30",),
            "other": ("Guitar30", "PianoSynth30"),
        },
        ".mp3",
        gain=0.4,
    ),
    "mdn": _Song(
        {
            "vocals": (),
            "drums": ("drums",),
            "bass": ("bassguitar",),
            "other": ("clav", "horns", "leadguitar"),
        },
        ".mp3",
        gain=0.55,
        notes=("no voice: the vocals should be empty",),
    ),
}


def _detects(folder: Path) -> bool:
    return (folder / _OVERLAYS).is_file() and (folder / "songs").is_dir()


def _read(folder: Path) -> Manifest:
    need_tracks(UNMIX_EVAL.title, folder, layout=UNMIX_EVAL.layout, found=_detects(folder))
    songs = tuple(_song_track(folder, name) for name in _SONGS)
    overlays = tuple(_overlay_track(folder, entry) for entry in _overlay_entries(folder))
    read = (*songs, *overlays, _solo_track(folder))
    missing = [p.path for track in read for p in track.parts if not p.path.is_file()]
    if missing:
        raise incomplete(UNMIX_EVAL.title, folder, missing=missing)
    return Manifest("unmix-eval", read)


def _song_track(folder: Path, name: str) -> Track:
    song = _SONGS[name]
    stems = {
        stem: tuple(
            Part(folder / "songs" / name / f"{file}{song.suffix}", gain=song.gain) for file in files
        )
        for stem, files in song.files.items()
    }
    return Track(name=name, split="test", stems=stems, notes=song.notes)


def _overlay_entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / _OVERLAYS
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("track", [])
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if not isinstance(entries, list) or not all(_is_overlay(entry) for entry in entries):
        raise InputError(
            f"{path} has a track without one of {', '.join(sorted(_OVERLAY_KEYS))}, or with a "
            f"backing other than {', '.join(_SONGS)}; get a fresh copy."
        )
    return entries


def _is_overlay(entry: Any) -> bool:
    complete = isinstance(entry, dict) and set(entry) >= _OVERLAY_KEYS
    return complete and Path(entry["backing"]).name in _SONGS


def _overlay_track(folder: Path, entry: Mapping[str, Any]) -> Track:
    backing = _song_track(folder, Path(entry["backing"]).name)
    stems = {
        name: tuple(
            replace(part, start_s=entry["start_s"], duration_s=entry["length_s"]) for part in parts
        )
        for name, parts in backing.stems.items()
    }
    voices = [folder / file for file in entry["voice"]]
    solo = any(voice.is_relative_to(folder / _SOLO) for voice in voices)
    return Track(
        name=entry["name"],
        split="test",
        stems={**stems, "vocals": _end_to_end(folder, voices, gain=entry["gain"])},
        annotations=_solo_annotations(folder) if solo else {},
        sample_rate=_OVERLAY_RATE,
        notes=tuple(note for note in backing.notes if "bass" in note),
    )


def _end_to_end(folder: Path, files: list[Path], *, gain: float) -> tuple[Part, ...]:
    parts: list[Part] = []
    offset_s = 0.0
    for file in files:
        if not file.is_file():
            raise incomplete(UNMIX_EVAL.title, folder, missing=[file])
        info = probe(file)
        if info.samples is None:
            raise InputError(f"{file} does not say its length; get a fresh copy.")
        parts.append(Part(file, gain=gain, offset_s=offset_s))
        offset_s += info.samples / info.sample_rate
    return tuple(parts)


def _solo_track(folder: Path) -> Track:
    return Track(
        name=_SOLO.name,
        split="pitch",
        stems={"vocals": (Part(folder / _SOLO / "vocadito_1.flac"),), "accompaniment": ()},
        annotations=_solo_annotations(folder),
    )


def _solo_annotations(folder: Path) -> dict[str, Path]:
    solo = folder / _SOLO
    return existing(
        **{pitch_labels.CSV: solo / "vocadito_1_f0.csv"},
        notes_a1=solo / "vocadito_1_notesA1.csv",
        notes_a2=solo / "vocadito_1_notesA2.csv",
        lyrics=solo / "vocadito_1_lyrics.txt",
    )


UNMIX_EVAL = Reader(
    kind="unmix-eval",
    title="the evaluation audio of unmix",
    layout=f"songs/{{{','.join(_SONGS)}}}/, singing/ and {_OVERLAYS}",
    detects=_detects,
    read=_read,
)
