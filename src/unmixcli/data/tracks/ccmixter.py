"""The ccMixter corpus of Liutkus et al. (kernel additive modelling, 2014): 50 songs.

Its sources are numbered, not named: 01 is the background, 02 the voice.
"""

from __future__ import annotations

from pathlib import Path

from unmixcli.data.tracks.layout import Reader, need_files, need_tracks, subfolders
from unmixcli.data.tracks.model import Manifest, Part, Track

_FILES = {"vocals": "source-02.wav", "accompaniment": "source-01.wav"}


def _track_folders(folder: Path) -> list[Path]:
    names = _FILES.values()
    return [t for t in subfolders(folder) if any((t / name).is_file() for name in names)]


def _read(folder: Path) -> Manifest:
    tracks = _track_folders(folder)
    need_tracks(CCMIXTER.title, folder, layout=CCMIXTER.layout, found=bool(tracks))
    files = [track / name for track in tracks for name in ("mix.wav", *_FILES.values())]
    need_files(CCMIXTER.title, folder, files=files)
    return Manifest("CCMixter", tuple(_track(track) for track in tracks))


def _track(folder: Path) -> Track:
    return Track(
        name=folder.name,
        stems={stem: (Part(folder / name),) for stem, name in _FILES.items()},
        mixture=Part(folder / "mix.wav"),
    )


CCMIXTER = Reader(
    kind="ccmixter",
    title="the ccMixter corpus",
    layout="mix.wav, source-01.wav (background) and source-02.wav (voice) in a folder a song",
    detects=lambda folder: bool(_track_folders(folder)),
    read=_read,
)
