"""A song on disk: a folder that is there whole or not at all.

`OUT/song-SEED-NUMBER/` holds `vocals.flac`, `drums.flac`, `bass.flac`, `other.flac` (16 bits),
`activity.csv`, `track.json`, and `vocals_f0.csv` where the pitch of the voice is exactly known.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from unmixcli.data.render.activity import activity_csv
from unmixcli.data.render.licences import licences_of, user_licences
from unmixcli.data.render.notes import Audio
from unmixcli.data.render.settings import STEMS, RenderSettings
from unmixcli.data.render.song import Song
from unmixcli.data.render.source import Source
from unmixcli.data.render.synth_voice import PitchCurve
from unmixcli.data.tracks.stem_folder import PITCH_FILE
from unmixcli.errors import ResourceError, UsageError

TRACK_FILE = "track.json"
ACTIVITY_FILE = "activity.csv"
_FORMAT = "unmix-rendered-song"
_STEPS = 32768
# soundfile asserts that libsndfile wrote every sample; on a full disk it did not.
_WRITE_ERRORS = (OSError, AssertionError, soundfile.SoundFileError)


def song_folder(out: Path, settings: RenderSettings, index: int) -> Path:
    """Where a song of a set lies."""
    return out / f"song-{settings.seed}-{index:05d}"


def is_finished(folder: Path, fingerprint: Mapping[str, object]) -> bool:
    """Whether the song is there already, made of the same source with the same settings.

    Raises `UsageError` where another song has its place.
    """
    if not folder.exists():
        return False
    try:
        found = json.loads((folder / TRACK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    complete = all((folder / f"{name}.flac").is_file() for name in STEMS)
    if complete and isinstance(found, dict) and found.get("made_from") == dict(fingerprint):
        return True
    raise UsageError(
        f"{folder} holds something else than this song, made with other settings, another source "
        "or by another version; choose another --out or --seed, or move it away."
    )


def fingerprint_of(source: Source, settings: RenderSettings) -> dict[str, object]:
    """What decides the bytes of a set's songs."""
    return {**settings.fingerprint(), "source": source.digest}


def write_song(song: Song, folder: Path, source: Source, settings: RenderSettings) -> None:
    """Write a song under a temporary name beside its folder, then rename it.

    Raises `ResourceError` where the disk or the folder refuse.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, sound in song.stems.items():
            write_stem(temporary / f"{name}.flac", sound, sample_rate=settings.sample_rate)
        rounded = {
            name: as_16_bit(sound) / np.float32(_STEPS) for name, sound in song.stems.items()
        }
        activity = activity_csv(rounded, sample_rate=settings.sample_rate)
        (temporary / ACTIVITY_FILE).write_text(activity, encoding="utf-8")
        if song.pitch is not None:
            (temporary / PITCH_FILE).write_text(_pitch_csv(song.pitch), encoding="utf-8")
        text = json.dumps(_description(song, source, settings), indent=1, ensure_ascii=False)
        (temporary / TRACK_FILE).write_text(text + "\n", encoding="utf-8")
        temporary.replace(folder)
    except _WRITE_ERRORS as error:
        raise ResourceError(
            f"{folder} cannot be written: {getattr(error, 'strerror', None) or error}; "
            "free some space or choose another folder with --out."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_stem(path: Path, sound: Audio, *, sample_rate: int) -> None:
    """Write `(channels, samples)` within full scale as FLAC of 16 bits, without dither.

    Silence stays digital silence, which a label "absent" needs.
    """
    soundfile.write(path, as_16_bit(sound).T, sample_rate, subtype="PCM_16")


def as_16_bit(sound: Audio) -> NDArray[np.int16]:
    """Samples as they are written; shape as given."""
    scaled = np.round(sound * np.float32(_STEPS))
    return np.asarray(np.clip(scaled, -_STEPS, _STEPS - 1), np.int16)


def _pitch_csv(pitch: PitchCurve) -> str:
    rows = zip(pitch.times_s.tolist(), pitch.f0_hz.tolist(), strict=True)
    return "".join(f"{time_s:.4f},{f0_hz:.4f}\n" for time_s, f0_hz in rows)


def _description(song: Song, source: Source, settings: RenderSettings) -> dict[str, Any]:
    used = [name for names in song.sources.values() for name in names]
    plan = song.plan
    return {
        "format": _FORMAT,
        "made_from": fingerprint_of(source, settings),
        "title": plan.title,
        "seed": settings.seed,
        "key": plan.key.name,
        "tempo_bpm": round(plan.tempo_bpm, 3),
        "sample_rate": settings.sample_rate,
        "samples": settings.samples,
        "sources": {name: list(names) for name, names in song.sources.items()},
        "scores": list(plan.origins),
        "groove": plan.groove.name,
        "licences": licences_of([*used, *plan.origins], user_licences(source.folder)),
    }
