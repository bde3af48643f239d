"""Where estimates come from: a model that separates the mix, or files of any other tool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from unmixcli.audio.read import probe, read_audio
from unmixcli.data.tracks import Part, Track, read_f0
from unmixcli.data.tracks.pitch_labels import CSV
from unmixcli.data.tracks.stem_folder import stem_folder_track
from unmixcli.errors import InputError, UsageError
from unmixcli.evaluation.hashes import FileHashes, digest, track_hash
from unmixcli.pitch.csv import read_f0 as read_csv
from unmixcli.pitch.session import PitchChoice, PitchOptions, PitchSession, open_pitch, settings_of
from unmixcli.separation.session import Session

Audio: TypeAlias = NDArray[np.float32]
Melody: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
Share: TypeAlias = Callable[[float], None]

_BLOCK_S = 5

# As `unmix separate --pitch` calls it.
_WRITTEN_PITCH = "vocals.f0.csv"
# Behind the name of a track, as `unmix pitch` calls it.
_PITCH_ALONE = ".f0.csv"


class Estimator(Protocol):
    """Gives the estimates of a track.

    Attributes:
        name: as reports call it.
    """

    name: str

    def stems(self, track: Track) -> tuple[str, ...]:
        """The names of what `estimate` will give, none where there is nothing but a melody.

        Raises `InputError` where something is missing.
        """
        raise NotImplementedError

    def fingerprint(self, track: Track, hashes: FileHashes) -> str:
        """A hash of what the estimates depend on beside the mix."""
        raise NotImplementedError

    def estimate(
        self, track: Track, mix: Audio, *, sample_rate: int, share: Share
    ) -> Mapping[str, Audio]:
        """Stems `(channels, samples)` like the mix, at its rate; `share` is told 0 to 1."""
        raise NotImplementedError

    def melody(self, track: Track, mix: Audio, *, sample_rate: int) -> Melody | None:
        """The voice's pitch, times in s and f0 in Hz, where the tool has found it itself."""
        raise NotImplementedError


class ModelEstimator:
    """A model, loaded once; any number of tracks may be separated at the same time."""

    def __init__(self, session: Session) -> None:
        self.name = session.model.name
        self._session = session

    def stems(self, track: Track) -> tuple[str, ...]:
        """Those of the session, whatever the track."""
        del track
        return self._session.plan.outputs

    def fingerprint(self, track: Track, hashes: FileHashes) -> str:
        """A hash of the card, which holds those of the weights, and of how it is run."""
        del track, hashes
        card = self._session.model.card.model_dump_json()
        content: dict[str, Any] = {
            "card": hashlib.sha256(card.encode()).hexdigest(),
            "outputs": list(self._session.plan.outputs),
            "options": asdict(self._session.options),
            "device": self._session.device.type,
        }
        if self._session.model.card.pitch is not None:
            content["pitch"] = settings_of(self._pitch_choice)
        return digest(content)

    def estimate(
        self, track: Track, mix: Audio, *, sample_rate: int, share: Share
    ) -> Mapping[str, Audio]:
        """Separate the mix; `InputError` for more than two channels."""
        channels, samples = mix.shape
        if channels > 2:
            raise InputError(f"{track.name}: has {channels} channels; a model takes 1 or 2")
        engine = self._session.engine(sample_rate=sample_rate, channels=channels)

        def blocks() -> Iterator[torch.Tensor]:
            step = _BLOCK_S * sample_rate
            for start in range(0, samples, step):
                yield torch.from_numpy(mix[:, start : start + step])
                share(min(1.0, (start + step) / samples))

        whole = torch.cat(list(engine.stream(blocks())), dim=-1)
        return {name: whole[row].numpy() for row, name in enumerate(engine.stems)}

    def melody(self, track: Track, mix: Audio, *, sample_rate: int) -> Melody | None:
        """What `unmix pitch` finds by a model that gives pitch; None for any other."""
        del track
        if self._pitch is None:
            return None
        # By itself: beside stems the network sees other batches, which rounds otherwise.
        found = self._pitch.find(mix, sample_rate=sample_rate)
        return found.times_s, found.f0_hz

    @cached_property
    def _pitch(self) -> PitchSession | None:
        if self._session.model.card.pitch is None:
            return None
        try:
            return open_pitch(self._pitch_choice, device=self._session.device.type)
        except UsageError:  # a wiring that has pitch on its card, but none to give
            return None

    @property
    def _pitch_choice(self) -> PitchChoice:
        return PitchChoice(self._session.model, PitchOptions())


class FolderEstimator:
    """Stems in files, `FOLDER/TRACK/STEM.ext`, or pitch alone, `FOLDER/TRACK.f0.csv`.

    Raises `InputError` for a folder that does not exist.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; --estimates takes TRACK/STEM.ext in one")
        self.name = folder.absolute().name
        self._folder = folder
        tracks = [path for path in sorted(folder.iterdir()) if path.is_dir()]
        # What the tool makes is what it made of any track; a track without it lacks something.
        self._all_stems = frozenset(name for path in tracks for name in _stems_in(path))

    def stems(self, track: Track) -> tuple[str, ...]:
        """Those of the track's folder.

        None where there is pitch alone. Raises `InputError` where there is no such folder, where
        it lacks a stem that others have, or one of the reference beside an `other` that may or
        may not hold it.
        """
        found = () if self._pitch_alone(track) else tuple(self._track(track).stems)
        missing = sorted(self._all_stems.difference(found))
        # One stem may be all that a tool makes; several of the reference's own are meant as all.
        alike = len(found) > 1 and set(found) <= set(track.stems)
        if not missing and (alike or {"other"} & set(found) & set(track.stems)):
            missing = [name for name in track.stems if name not in found]
        if missing:
            raise InputError(
                f"{self._folder / track.name}: lacks {', '.join(missing)}; "
                f"it has {', '.join(found) or 'pitch alone'}"
            )
        return found

    def fingerprint(self, track: Track, hashes: FileHashes) -> str:
        """A hash of the files."""
        if csv := self._pitch_alone(track):
            return digest({"pitch": hashes.of(csv)})
        return track_hash(self._track(track), hashes)

    def estimate(
        self, track: Track, mix: Audio, *, sample_rate: int, share: Share
    ) -> Mapping[str, Audio]:
        """Read the files; `InputError` for another rate, length or number of channels."""
        estimates: dict[str, Audio] = {}
        files = self._track(track).stems
        for name in files:
            _check_reference(track, name, mix, sample_rate=sample_rate)
        for name, parts in files.items():
            samples, rate = read_audio(parts[0].path)
            if rate != sample_rate:
                raise _mismatch(parts[0].path, track, f"{rate} Hz", f"{sample_rate} Hz")
            for axis, unit in enumerate(("channels", "samples")):
                has, wanted = samples.shape[axis], mix.shape[axis]
                if has != wanted:
                    raise _mismatch(parts[0].path, track, f"{has} {unit}", f"{wanted} {unit}")
            estimates[name] = samples
            share(len(estimates) / len(files))
        return estimates

    def melody(self, track: Track, mix: Audio, *, sample_rate: int) -> Melody | None:
        """What `vocals_f0.csv` beside the stems holds, or `vocals.f0.csv` of `separate --pitch`.

        Without stems it is what `TRACK.f0.csv` of `unmix pitch` holds.
        """
        del mix, sample_rate
        if csv := self._pitch_alone(track):
            found = read_csv(csv)
            return found.times_s, found.f0_hz
        return read_f0(self._track(track))

    def _pitch_alone(self, track: Track) -> Path | None:
        """The CSV of a track that has no stems."""
        csv = self._folder / f"{track.name}{_PITCH_ALONE}"
        has_stems = (self._folder / track.name).is_dir()
        return csv if csv.is_file() and not has_stems else None

    def _track(self, track: Track) -> Track:
        folder = self._folder / track.name
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, so {track.name} has no estimates")
        found = stem_folder_track(folder)
        written = folder / _WRITTEN_PITCH
        own = {CSV: written} if written.is_file() else {}
        return Track(name=found.name, stems=found.stems, annotations={**own, **found.annotations})


def _check_reference(track: Track, name: str, mix: Audio, *, sample_rate: int) -> None:
    """Refuse a reference file that differs from the mix of its track, where it is one whole file.

    Data sets whose stems begin and end with their sound say so by offsets or a rate of the track.
    """
    parts = track.stems.get(name, ())
    if len(parts) != 1 or track.sample_rate is not None:
        return
    if parts[0] != Part(parts[0].path, gain=parts[0].gain):
        return
    info = probe(parts[0].path)
    has = {"Hz": info.sample_rate, "channels": info.channels, "samples": info.samples}
    wanted = {"Hz": sample_rate, "channels": mix.shape[0], "samples": mix.shape[1]}
    for unit, value in has.items():
        if value is not None and value != wanted[unit]:
            raise InputError(
                f"{parts[0].path}: has {value} {unit}, the mix of {track.name} {wanted[unit]} "
                f"{unit}; make the references alike"
            )


def _stems_in(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(stem_folder_track(folder).stems)
    except InputError:  # told when the track's turn comes
        return ()


def _mismatch(path: Path, track: Track, has: str, wanted: str) -> InputError:
    return InputError(
        f"{path}: has {has}, the reference of {track.name} {wanted}; make the estimate alike"
    )
