"""MUSDB18 (stem files) and MUSDB18-HQ (folders of WAV files).

Split 86/14/50: the published test folder, and 14 tracks of the training folder for validation,
as the package `musdb` lists them (Stöter, Liutkus & Ito, SiSEC 2018).
"""

from __future__ import annotations

from pathlib import Path

from unmixcli.data.tracks.layout import Reader, audio_files, need_files, need_tracks, subfolders
from unmixcli.data.tracks.model import Manifest, Part, Track

SPLIT_FOLDERS = ("train", "test")
STEMS = ("vocals", "drums", "bass", "other")

VALIDATION_TRACKS = frozenset(
    {
        "ANiMAL - Rockshow",
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    }
)

_SUFFIX = ".stem.mp4"
_STREAMS = {"vocals": 4, "drums": 1, "bass": 2, "other": 3}
_SAMPLE_RATE = 44100


def split_of(name: str, *, folder: str) -> str:
    """The split of a track that lies in the folder `train` or `test`."""
    return "validation" if folder == "train" and name in VALIDATION_TRACKS else folder


def _stem_files(folder: Path) -> list[Path]:
    return [p for split in SPLIT_FOLDERS for p in audio_files(folder / split) if _is_stem_file(p)]


def _is_stem_file(path: Path) -> bool:
    return path.name.endswith(_SUFFIX)


def _stem_file_track(path: Path) -> Track:
    name = path.name.removesuffix(_SUFFIX)
    return Track(
        name=name,
        split=split_of(name, folder=path.parent.name),
        stems={stem: (Part(path, stream=_STREAMS[stem]),) for stem in STEMS},
        mixture=Part(path, stream=0),
        sample_rate=_SAMPLE_RATE,
    )


def _read_stem_files(folder: Path) -> Manifest:
    files = _stem_files(folder)
    need_tracks(MUSDB18.title, folder, layout=MUSDB18.layout, found=bool(files))
    return Manifest("MUSDB18", tuple(_stem_file_track(path) for path in files))


def _track_folders(folder: Path) -> list[Path]:
    return [path for split in SPLIT_FOLDERS for path in subfolders(folder / split)]


def _looks_like_hq(folder: Path) -> bool:
    return any(
        (track / "mixture.wav").is_file() and any((track / f"{s}.wav").is_file() for s in STEMS)
        for track in _track_folders(folder)
    )


def _read_hq(folder: Path) -> Manifest:
    tracks = _track_folders(folder)
    need_tracks(MUSDB18_HQ.title, folder, layout=MUSDB18_HQ.layout, found=_looks_like_hq(folder))
    files = [track / f"{name}.wav" for track in tracks for name in ("mixture", *STEMS)]
    need_files(MUSDB18_HQ.title, folder, files=files)
    return Manifest("MUSDB18-HQ", tuple(_hq_track(track) for track in tracks))


def _hq_track(folder: Path) -> Track:
    return Track(
        name=folder.name,
        split=split_of(folder.name, folder=folder.parent.name),
        stems={stem: (Part(folder / f"{stem}.wav"),) for stem in STEMS},
        mixture=Part(folder / "mixture.wav"),
        sample_rate=_SAMPLE_RATE,
    )


MUSDB18 = Reader(
    kind="musdb18",
    title="MUSDB18",
    layout=f"train/*{_SUFFIX} and test/*{_SUFFIX}",
    detects=lambda folder: bool(_stem_files(folder)),
    read=_read_stem_files,
)

MUSDB18_HQ = Reader(
    kind="musdb18-hq",
    title="MUSDB18-HQ",
    layout="mixture.wav, vocals.wav, drums.wav, bass.wav and other.wav in train/*/ and test/*/",
    detects=_looks_like_hq,
    read=_read_hq,
)
