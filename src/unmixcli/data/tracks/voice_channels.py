"""iKala and MIR-1K: stereo files with the music on the left and the voice on the right."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from unmixcli.data.tracks import pitch_labels
from unmixcli.data.tracks.layout import Reader, audio_files, existing, need_tracks
from unmixcli.data.tracks.model import Manifest, Part, Track

# 10161_chorus, 21025_verse; and abjones_1_01, Ani_2_03.
_IKALA_NAME = re.compile(r"\d+_(chorus|verse)")
_MIR1K_NAME = re.compile(r"[A-Za-z]+_\d+_\d+")

# Huang et al. 2014 train on these two singers (175 clips) and test on the others (825).
_MIR1K_TRAINING_SINGERS = ("abjones", "amy")


def _clips(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    return [p for p in audio_files(folder / "Wavfile") if pattern.fullmatch(p.stem)]


def _reader(
    kind: str, *, title: str, pattern: re.Pattern[str], example: str, track: Callable[[Path], Track]
) -> Reader:
    layout = f"Wavfile/*.wav with names such as {example}"

    def read(folder: Path) -> Manifest:
        clips = _clips(folder, pattern)
        need_tracks(title, folder, layout=layout, found=bool(clips))
        return Manifest(title, tuple(track(clip) for clip in clips))

    def detects(folder: Path) -> bool:
        return bool(_clips(folder, pattern))

    return Reader(kind, title=title, layout=layout, detects=detects, read=read)


def _stems(clip: Path) -> Mapping[str, tuple[Part, ...]]:
    return {
        "vocals": (Part(clip, channel="right"),),
        "accompaniment": (Part(clip, channel="left"),),
    }


def _ikala_track(clip: Path) -> Track:
    folder, name = clip.parent.parent, clip.stem
    pitch = {pitch_labels.IKALA: folder / "PitchLabel" / f"{name}.pv"}
    return Track(
        name=name,
        stems=_stems(clip),
        annotations=existing(**pitch, lyrics=folder / "Lyrics" / f"{name}.lab"),
    )


def _mir1k_track(clip: Path) -> Track:
    folder, name = clip.parent.parent, clip.stem
    pitch = {pitch_labels.MIR1K: folder / "PitchLabel" / f"{name}.pv"}
    trains = name.split("_")[0] in _MIR1K_TRAINING_SINGERS
    return Track(
        name=name,
        split="train" if trains else "test",
        stems=_stems(clip),
        annotations=existing(
            **pitch,
            lyrics=folder / "Lyrics" / f"{name}.txt",
            voiced=folder / "vocal-nonvocalLabel" / f"{name}.vocal",
        ),
    )


IKALA = _reader(
    "ikala", title="iKala", pattern=_IKALA_NAME, example="10161_chorus.wav", track=_ikala_track
)
MIR1K = _reader(
    "mir-1k", title="MIR-1K", pattern=_MIR1K_NAME, example="abjones_1_01.wav", track=_mir1k_track
)
