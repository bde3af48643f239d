"""A song on disk: a folder that is there whole or not at all.

`OUT/song-SEED-NUMBER/` holds `vocals.flac`, `drums.flac`, `bass.flac`, `other.flac` (16 bits),
`activity.csv`, `track.json`, and `vocals_f0.csv` where the pitch of the voice is exactly known.
"""

from __future__ import annotations

import json
import os
import re
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
from unmixcli.data.render.pitch_curve import PitchCurve
from unmixcli.data.render.settings import STEMS, RenderSettings
from unmixcli.data.render.song import Song
from unmixcli.data.render.soundfonts import COMMAND, PREFIX
from unmixcli.data.render.source import Source
from unmixcli.data.render.take import SYNTHESIS
from unmixcli.data.tracks.stem_folder import PITCH_FILE
from unmixcli.errors import UsageError
from unmixcli.finished import finished_folder

TRACK_FILE = "track.json"
ACTIVITY_FILE = "activity.csv"
_FORMAT = "unmix-rendered-song"
_STEPS = 32768
_HINT = "; free some space or choose another folder with --out"
# As `finished_folder` calls a song that is being written.
_UNFINISHED = re.compile(r"\.song--?\d+-\d{5,}\.(?P<process>\d+)\.\d+\.part")


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
    """Write a song under a hidden name beside its folder, then give it its name.

    Raises `ResourceError` where the disk or the folder refuse.
    """
    rate = settings.sample_rate
    rounded = {name: as_16_bit(sound) / np.float32(_STEPS) for name, sound in song.stems.items()}
    with finished_folder(folder, hint=_HINT) as temporary:
        for name, sound in song.stems.items():
            write_stem(temporary / f"{name}.flac", sound, sample_rate=rate)
        activity = activity_csv(rounded, sample_rate=rate)
        (temporary / ACTIVITY_FILE).write_text(activity, encoding="utf-8")
        if song.pitch is not None:
            (temporary / PITCH_FILE).write_text(_pitch_csv(song.pitch), encoding="utf-8")
        text = json.dumps(_description(song, source, settings), indent=1, ensure_ascii=False)
        (temporary / TRACK_FILE).write_text(text + "\n", encoding="utf-8")


def remove_abandoned(out: Path, settings: RenderSettings) -> None:
    """Remove what runs of the same seed left unfinished in `out` when they were killed.

    Folders of processes that are still there stay, and so does everything else.
    """
    for path in out.glob(f".song-{settings.seed}-*.part") if out.is_dir() else ():
        found = _UNFINISHED.fullmatch(path.name)
        if found and not path.is_symlink() and not _is_running(int(found.group("process"))):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        # It belongs to somebody else, or cannot be asked.
        return True
    return True


def write_stem(path: Path, sound: Audio, *, sample_rate: int) -> None:
    """Write `(channels, samples)` within full scale as FLAC of 16 bits, without dither.

    Silence stays digital silence, which a label "absent" needs. Raises `OSError`.
    """
    try:
        soundfile.write(path, as_16_bit(sound).T, sample_rate, subtype="PCM_16")
    except (AssertionError, soundfile.SoundFileError) as error:
        # soundfile asserts that libsndfile wrote every sample; on a full disk it did not.
        raise OSError(f"not all samples could be written {error}".rstrip()) from error


def as_16_bit(sound: Audio) -> NDArray[np.int16]:
    """Samples as they are written; shape as given."""
    scaled = np.round(sound * np.float32(_STEPS))
    return np.asarray(np.clip(scaled, -_STEPS, _STEPS - 1), np.int16)


def player_of(sound: str, source: Source) -> str:
    """What played a sound: `fluidsynth VERSION`, `synthesis` or `recordings`."""
    if sound.startswith(PREFIX):
        return f"{COMMAND} {source.soundfonts.version}"
    return SYNTHESIS if sound == SYNTHESIS else "recordings"


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
        "players": {
            name: {sound: player_of(sound, source) for sound in sounds}
            for name, sounds in song.sources.items()
            if name in STEMS
        },
        "scores": list(plan.origins),
        "groove": plan.groove.name,
        "licences": licences_of([*used, *plan.origins], user_licences(source.folder)),
    }
