"""DSD100 (Liutkus et al. 2017): mixtures and sources in two trees, Dev (50) and Test (50)."""

from __future__ import annotations

from pathlib import Path

from unmixcli.data.tracks.layout import Reader, need_files, need_tracks, subfolders
from unmixcli.data.tracks.model import Manifest, Part, Track

_SPLITS = {"Dev": "train", "Test": "test"}
_STEMS = ("vocals", "drums", "bass", "other")


def _detects(folder: Path) -> bool:
    return any((folder / "Sources" / name).is_dir() for name in _SPLITS)


def _read(folder: Path) -> Manifest:
    names = [
        Path(part, track.name)
        for part in _SPLITS
        for track in subfolders(folder / "Sources" / part)
    ]
    need_tracks(DSD100.title, folder, layout=DSD100.layout, found=bool(names))
    mixtures = [folder / "Mixtures" / name / "mixture.wav" for name in names]
    sources = [folder / "Sources" / name / f"{stem}.wav" for name in names for stem in _STEMS]
    need_files(DSD100.title, folder, files=[*mixtures, *sources])
    return Manifest("DSD100", tuple(_track(folder, name) for name in names))


def _track(folder: Path, name: Path) -> Track:
    sources = folder / "Sources" / name
    return Track(
        name=name.name,
        split=_SPLITS[name.parts[0]],
        stems={stem: (Part(sources / f"{stem}.wav"),) for stem in _STEMS},
        mixture=Part(folder / "Mixtures" / name / "mixture.wav"),
    )


DSD100 = Reader(
    kind="dsd100",
    title="DSD100",
    layout="Mixtures/{Dev,Test}/*/mixture.wav and "
    "Sources/{Dev,Test}/*/{vocals,drums,bass,other}.wav",
    detects=_detects,
    read=_read,
)
