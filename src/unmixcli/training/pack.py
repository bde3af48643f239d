"""Packs: tracks decoded once, as float16 arrays on disk that are mapped into memory.

A pack has a row for each target of the track (a stem of the model, or a sum of them where the
track groups them) and, where those do not make up the mix, one more for the rest of it. It is
named after everything that it depends on, so a changed file or setting makes another pack, and
complete from the moment it has its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmixcli.audio.read import AUDIO_EXTENSIONS
from unmixcli.data.tracks import (
    MIX,
    READERS,
    Part,
    Track,
    load_stems,
    read_dataset,
    references,
)
from unmixcli.errors import InputError, ResourceError
from unmixcli.finished import finished_folder, write_text
from unmixcli.models.catalogue import find_model
from unmixcli.separation.session import open_session, select_model
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request
from unmixcli.training.pitch import VOICE, PitchLabels, Wanted, cached_labels
from unmixcli.training.recipe import Network, Source

Audio = NDArray[np.float32]
Notice = Callable[[str], None]

_VERSION = 1
# A mix that its targets miss by less than half a step of 16 bits has no rest.
_NOTHING = 2.0**-16


@dataclass(frozen=True)
class PackedTrack:
    """A track that is ready to be cut.

    Attributes:
        name: of the track.
        targets: the stems of the model of which each row is the sum.
        audio: `(rows, channels, samples)` float16, mapped, or a tensor on a GPU; one row more than
            targets where the mix holds something else.
        levels: `(rows, seconds)` root mean square of each second, linear.
        weight: how often it is drawn.
        loss_weight: of what is learned from it.
        pitch: of its voice; None where it is not known, or not wanted.
    """

    name: str
    targets: tuple[tuple[str, ...], ...]
    audio: NDArray[np.float16] | Tensor
    levels: Audio
    weight: float = 1.0
    loss_weight: float = 1.0
    pitch: PitchLabels | None = None

    @property
    def samples(self) -> int:
        """Its length."""
        return int(self.audio.shape[-1])


@dataclass(frozen=True)
class _Layout:
    """What a model wants of a pack."""

    stems: tuple[str, ...]
    sample_rate: int
    channels: int


def pack_source(
    source: Source,
    network: Network,
    *,
    cache: Path,
    notice: Notice = lambda _: None,
    pitch: Wanted | None = None,
) -> list[PackedTrack]:
    """The tracks of a source, from the cache or decoded into it.

    Args:
        source: with an absolute path.
        network: for stems, rate and channels.
        cache: folder of the packs; made if it is not there.
        notice: is told of every track that is decoded.
        pitch: what is to be known of the voice; None leaves it out.

    Raises:
        InputError: for a data set that cannot be read, or has no track with a stem of the model.
        ResourceError: if the cache cannot be written.
    """
    layout = _Layout(network.stems, network.sample_rate, network.channels)
    packed = []
    for track in _tracks(source):
        if not source.teacher and not references(track, layout.stems):
            continue
        folder = cache / _key(track, layout, teacher=source.teacher)
        if not folder.is_dir():
            notice(f"packing {track.name}")
            _write(folder, *_decoded(track, layout, teacher=source.teacher))
        opened = _open(folder, track.name, source)
        packed.append(_labelled(opened, track, folder, wanted=pitch, notice=notice))
    if not packed:
        raise InputError(
            f"{source.path} has no track with one of the stems {', '.join(layout.stems)}"
        )
    return packed


def _tracks(source: Source) -> Sequence[Track]:
    """Of a data set; for a teacher also of a folder of songs that have no stems."""
    path = source.path
    known = source.kind or not path.is_dir() or any(reader.detects(path) for reader in READERS)
    if source.teacher and not known:
        files = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in AUDIO_EXTENSIONS]
        if not files:
            raise InputError(f"{path} holds no audio for the teacher {source.teacher}")
        return [Track(str(f.relative_to(path)), {}, mixture=Part(f)) for f in files]
    return read_dataset(path, kind=source.kind).select(source.split).tracks


def _key(track: Track, layout: _Layout, *, teacher: str | None) -> str:
    files = [
        (str(part.path.absolute()), part.path.stat().st_size, part.path.stat().st_mtime_ns)
        for part in track.parts
    ]
    card = find_model(teacher).card.model_dump(mode="json") if teacher else None
    # The loss does not depend on how a track is called, nor on its annotations.
    stems = {name: [asdict(part) for part in parts] for name, parts in track.stems.items()}
    mixture = asdict(track.mixture) if track.mixture else None
    content = [_VERSION, stems, mixture, track.sample_rate, files, asdict(layout), card]
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _decoded(
    track: Track, layout: _Layout, *, teacher: str | None
) -> tuple[list[tuple[str, ...]], Audio]:
    """Targets and rows of a track."""
    if teacher:
        loaded, _ = load_stems(track, [MIX], sample_rate=layout.sample_rate)
        mix = _with_channels(loaded[MIX], layout.channels)
        stems = _taught(mix, layout.sample_rate, teacher=teacher)
        track = Track(track.name, dict.fromkeys(stems, track.parts[:1]))
    else:
        stems, _ = load_stems(track, sample_rate=layout.sample_rate)
        stems = {name: _with_channels(audio, layout.channels) for name, audio in stems.items()}
        mix = stems.pop(MIX)
    targets = references(track, layout.stems)
    rows = [np.sum([stems[name] for name in target.reference], axis=0) for target in targets]
    rest = mix - np.sum(rows, axis=0)
    if np.abs(rest).max(initial=0.0) > _NOTHING:
        rows.append(rest)
    return [target.estimate for target in targets], np.asarray(rows, np.float32)


def _taught(mix: Audio, sample_rate: int, *, teacher: str) -> dict[str, Audio]:
    """The stems of a mix by the teacher."""
    choice, plan = select_model(teacher, Request())
    session = open_session(choice, plan, device="auto", options=SpectralOptions())
    engine = session.engine(sample_rate=sample_rate, channels=mix.shape[0])
    blocks = torch.from_numpy(np.ascontiguousarray(mix)).split(65536, dim=-1)
    whole = torch.cat(list(engine.stream(blocks)), dim=-1).cpu().numpy()
    return dict(zip(engine.stems, whole, strict=True))


def _with_channels(audio: Audio, channels: int) -> Audio:
    if audio.shape[0] == channels:
        return audio
    mono = audio.mean(axis=0, keepdims=True)
    return np.broadcast_to(mono, (channels, audio.shape[1]))


def _labelled(
    packed: PackedTrack, track: Track, folder: Path, *, wanted: Wanted | None, notice: Notice
) -> PackedTrack:
    """The track with the pitch of its voice."""
    if wanted is None:
        return packed

    def voice() -> Audio | None:
        if (VOICE,) not in packed.targets:
            return None
        row = np.asarray(packed.audio[packed.targets.index((VOICE,))], np.float32)
        return np.asarray(row.mean(axis=0))

    labels = cached_labels(
        track, wanted, voice=voice, samples=packed.samples, pack=folder, notice=notice
    )
    return replace(packed, pitch=labels)


def _write(folder: Path, targets: list[tuple[str, ...]], rows: Audio) -> None:
    try:
        with finished_folder(folder) as temporary:
            np.save(temporary / "audio.npy", rows.astype(np.float16))
            np.save(temporary / "levels.npy", _levels(rows))
            write_text(temporary / "pack.json", json.dumps({"targets": targets}))
            if _is_whole(folder):
                raise _OvertakenError
    except (_OvertakenError, ResourceError):
        # Another training wrote the same pack meanwhile, and may read it already.
        if not _is_whole(folder):
            raise


class _OvertakenError(Exception):
    """Somebody else was faster."""


def _is_whole(folder: Path) -> bool:
    return (folder / "pack.json").is_file()


def _levels(rows: Audio, seconds: int = 256) -> Audio:
    """Root mean squares of equal pieces, at most so many; a pack need not be longer."""
    pieces = np.array_split(rows, min(seconds, max(1, rows.shape[-1])), axis=-1)
    return np.stack([np.sqrt(np.square(piece).mean(axis=(1, 2))) for piece in pieces], axis=-1)


def _open(folder: Path, name: str, source: Source) -> PackedTrack:
    try:
        content: dict[str, Any] = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
        audio = np.load(folder / "audio.npy", mmap_mode="r")
        levels = np.load(folder / "levels.npy")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: the pack is damaged; delete the folder") from error
    targets = tuple(tuple(names) for names in content["targets"])
    return PackedTrack(name, targets, audio, levels, source.weight, source.loss_weight)


def pack_all(
    sources: Sequence[Source],
    network: Network,
    *,
    cache: Path,
    notice: Notice = lambda _: None,
    pitch: Wanted | None = None,
) -> list[PackedTrack]:
    """The tracks of several sources; as `pack_source`."""

    def each() -> Iterator[PackedTrack]:
        for source in sources:
            yield from pack_source(source, network, cache=cache, notice=notice, pitch=pitch)

    return list(each())


def resident(
    tracks: Sequence[PackedTrack], device: torch.device, *, share: float = 0.5
) -> list[PackedTrack]:
    """The tracks in a GPU's memory, where they are then cut and mixed.

    They stay where they are if the device is none, or they would take more than `share` of what
    it has free.
    """
    size = sum(track.audio.nbytes for track in tracks)
    if device.type != "cuda" or size > share * torch.cuda.mem_get_info(device)[0]:
        return list(tracks)
    return [
        replace(track, audio=torch.from_numpy(np.array(track.audio)).to(device)) for track in tracks
    ]
