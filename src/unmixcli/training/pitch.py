"""Labels of pitch: what the voice of a packed track sings, frame by frame.

Frame i of a track is centred at sample i * hop_samples, as those of the transform; a track of n
samples has 1 + n // hop_samples of them. Pitch is 0 Hz where nothing is voiced and NaN where
nobody knows: what is unknown costs nothing in training.

Annotations come first. Where a track has none, a tracker listens to its isolated voice. It takes
one voice for granted, so frames that sound while it is not sure (several voices, breath) are
unknown; frames in which the voice is silent are unvoiced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmixcli.audio.resample import resample
from unmixcli.data.render.pitch_curve import PitchCurve
from unmixcli.data.tracks import Track, has_pitch, read_f0
from unmixcli.data.tracks.pitch_labels import VOICE_KINDS
from unmixcli.dsp.salience import SalienceAxis, salience_targets
from unmixcli.errors import InputError, ResourceError, UsageError
from unmixcli.finished import finished_file

VOICE = "vocals"
"""The stem whose pitch is learned."""

Source = Literal["annotation", "swiftf0", "pyin", "teacher"]
Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

_VERSION = 1
_TRACKER_RATE = 22050
# SwiftF0 calls a frame voiced from 0.5 on; what it is less sure of is wrong too often to learn.
_SURE = 0.7
# Of the loudest moments of the voice: below it breath and reverberation, not singing, are left.
_QUIET_DB = -35.0
_LOWEST_HZ, _HIGHEST_HZ = 65.4, 1046.5


@dataclass(frozen=True)
class PitchGrid:
    """The frames and bins of a network's salience.

    Attributes:
        hop_samples: between frames, at the network's rate.
        axis: of the bins.
        sigma_bins: standard deviation of the Gaussian about each pitch.
    """

    hop_samples: int
    axis: SalienceAxis = field(default_factory=SalienceAxis)
    sigma_bins: float = 1.0

    def frames(self, samples: int) -> int:
        """Of so many samples."""
        return 1 + samples // self.hop_samples


@dataclass(frozen=True)
class PitchLabels:
    """The pitch of a track's voice, as a line or as what a teacher saw.

    Attributes:
        values: `(1, frames)` Hz; or `(bins, frames)` salience in 0..1.
        are_hz: which of the two.
    """

    values: NDArray[np.float32] | NDArray[np.float16]
    are_hz: bool = True

    def salience(self, grid: PitchGrid, *, first: int, frames: int) -> Tensor:
        """The salience of some frames: `(bins, frames)`, NaN where nobody knows it.

        Beyond the end of the track nothing sounds.
        """
        cut = torch.from_numpy(np.array(self.values[:, first : first + frames], np.float32))
        cut = torch.nn.functional.pad(cut, (0, frames - cut.shape[-1]))
        if not self.are_hz:
            return cut
        found = salience_targets(cut.nan_to_num(0.0), axis=grid.axis, sigma_bins=grid.sigma_bins)
        found[:, cut.isnan().any(dim=0)] = torch.nan
        return found

    def from_frame(self, first: int) -> PitchLabels:
        """The same, counted from a frame."""
        return PitchLabels(self.values[:, first:], self.are_hz)


@dataclass(frozen=True)
class Heard:
    """What a tracker heard, `(frames,)` each: f0 in Hz, and how sure it is of a voice, 0..1."""

    times_s: Floats
    f0_hz: Floats
    confidence: Floats


def unknown(grid: PitchGrid, frames: int) -> Tensor:
    """The salience of which nobody knows anything: `(bins, frames)` of NaN."""
    return torch.full((grid.axis.bins, frames), torch.nan)


def annotated(track: Track, *, times_s: Floats) -> Floats | None:
    """The written-down pitch of a track's voice at some times, Hz; None without any."""
    found = read_f0(track)
    return None if found is None else PitchCurve(*found).at(times_s)


def tracked(voice: Samples, *, sample_rate: int, source: Source, times_s: Floats) -> Floats:
    """The pitch of an isolated voice by a tracker, at some times.

    Shape: `(samples,)` float32 and `(frames,)` s to `(frames,)` Hz, 0 where the voice is silent,
    NaN where it sounds and the tracker is not sure.

    Raises:
        ResourceError: if the tracker is not installed.
    """
    level = _levels(voice, sample_rate=sample_rate, times_s=times_s)
    if not level.max(initial=0.0) > 0:
        return np.zeros_like(times_s)
    heard = _TRACKERS[source](voice, sample_rate)
    sure = np.where(heard.confidence >= _SURE, heard.f0_hz, 0.0)
    f0_hz = PitchCurve(heard.times_s, sure).at(times_s)
    loud = level > np.percentile(level[level > 0], 95) * 10 ** (_QUIET_DB / 20)
    return np.where(f0_hz > 0, f0_hz, np.where(loud, np.nan, 0.0))


def _levels(voice: Samples, *, sample_rate: int, times_s: Floats) -> Floats:
    """Root mean squares of 46 ms about each time."""
    half = round(0.023 * sample_rate)
    power = np.cumsum(np.pad(np.square(voice, dtype=np.float64), (half + 1, half)))
    at = np.clip(np.round(times_s * sample_rate).astype(np.int64), 0, len(voice) - 1)
    sums: Floats = np.sqrt(np.maximum(power[at + 2 * half] - power[at], 0.0) / (2 * half))
    return sums


def _swiftf0(voice: Samples, sample_rate: int) -> Heard:
    try:
        import swift_f0
    except ImportError as missing:
        raise ResourceError(
            "data.pitch = 'swiftf0' needs the package swift-f0; get it by: "
            "pip install 'unmixcli[pitch]'"
        ) from missing
    found = swift_f0.SwiftF0(threads=1, spin=False).detect(voice, sample_rate)
    return Heard(found.timestamps, found.pitch_hz, found.confidence)


def _pyin(voice: Samples, sample_rate: int) -> Heard:
    try:
        import librosa
    except ImportError as missing:
        raise ResourceError(
            "data.pitch = 'pyin' needs the package librosa; get it by: "
            "pip install 'unmixcli[pitch]'"
        ) from missing
    samples = resample(voice[None], from_rate=sample_rate, to_rate=_TRACKER_RATE)[0]
    f0_hz, voiced, _ = librosa.pyin(
        samples, fmin=_LOWEST_HZ, fmax=_HIGHEST_HZ, sr=_TRACKER_RATE, hop_length=256
    )
    times_s = np.arange(len(f0_hz), dtype=np.float64) * (256 / _TRACKER_RATE)
    # Its own decision: the probability of voicing is seldom near 1 where it is right.
    return Heard(times_s, np.nan_to_num(f0_hz), voiced.astype(np.float64))


_TRACKERS: Mapping[str, Callable[[Samples, int], Heard]] = MappingProxyType(
    {"swiftf0": _swiftf0, "pyin": _pyin}
)


@dataclass(frozen=True)
class Wanted:
    """What a recipe wants to know of pitch.

    Attributes:
        source: where it comes from, for tracks without an annotation.
        grid: of the network.
        sample_rate: of the network, Hz.
        teacher: the model of the source "teacher".
    """

    source: Source
    grid: PitchGrid
    sample_rate: int
    teacher: str = ""

    def times_s(self, samples: int) -> Floats:
        """The centres of a track's frames."""
        numbers = np.arange(self.grid.frames(samples), dtype=np.float64)
        times: Floats = numbers * self.grid.hop_samples / self.sample_rate
        return times

    def key(self, track: Track) -> str:
        """What the labels of a track depend on beside its audio, as a file name."""
        kind = next((kind for kind in VOICE_KINDS if kind in track.annotations), None)
        content: list[object] = [_VERSION, self.grid.hop_samples, self.sample_rate]
        if kind is not None:
            path = track.annotations[kind]
            stat = path.stat()
            content += [kind, str(path.absolute()), stat.st_size, stat.st_mtime_ns]
        else:
            content += [self.source, _SURE, _QUIET_DB]
            content += [self.teacher, asdict(self.grid.axis)] * (self.source == "teacher")
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def cached_labels(
    track: Track,
    wanted: Wanted,
    *,
    voice: Callable[[], Samples | None],
    samples: int,
    pack: Path,
    notice: Callable[[str], None] = lambda _: None,
) -> PitchLabels | None:
    """The labels of a packed track, from the file beside its pack or written to it.

    Args:
        track: for its annotation.
        wanted: by the recipe.
        voice: gives the isolated voice, `(samples,)`, if the pack has it.
        samples: of the track.
        pack: its folder.
        notice: is told what is found.

    Returns:
        None where nothing is known.

    Raises:
        InputError: for an annotation or a file of labels that cannot be read.
        ResourceError: if a tracker is missing or the folder cannot be written.
    """
    path = pack.with_name(f"{pack.name}-{wanted.key(track)}.npy")
    if not path.is_file():
        found = _found(track, wanted, voice=voice, samples=samples)
        if found is None:
            return None
        if not has_pitch(track):
            notice(f"pitch of {track.name} by {wanted.source}")
        with finished_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, found)
    try:
        values = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the labels of pitch are damaged; delete the file") from error
    return PitchLabels(values, are_hz=len(values) == 1)


def _found(
    track: Track, wanted: Wanted, *, voice: Callable[[], Samples | None], samples: int
) -> NDArray[Any] | None:
    times_s = wanted.times_s(samples)
    f0_hz = annotated(track, times_s=times_s)
    if f0_hz is None and track.stems.get(VOICE) == ():
        f0_hz = np.zeros_like(times_s)
    if f0_hz is None and wanted.source != "annotation":
        isolated = voice()
        if isolated is None:
            return None
        if wanted.source == "teacher":
            return _taught(isolated, wanted, frames=len(times_s))
        f0_hz = tracked(
            isolated, sample_rate=wanted.sample_rate, source=wanted.source, times_s=times_s
        )
    return None if f0_hz is None else f0_hz[None].astype(np.float32)


def _taught(voice: Samples, wanted: Wanted, *, frames: int) -> NDArray[np.float16]:
    """The salience that the teacher gives an isolated voice, `(bins, frames)`."""
    from unmixcli.pitch.hcqt_stream import referenced
    from unmixcli.pitch.load import load_stream

    stream = load_stream(wanted.teacher, device=torch.device("cpu"))
    grid = wanted.grid
    if stream.axis != grid.axis or (
        stream.hop_samples * wanted.sample_rate != grid.hop_samples * stream.sample_rate
    ):
        raise UsageError(
            f"data.pitch_teacher: {wanted.teacher} has other bins or frames than the network; "
            f"it needs a hop of {stream.hop_samples} samples at {stream.sample_rate} Hz and "
            f"{stream.axis.bins} bins from {stream.axis.f_min_hz} Hz"
        )
    heard = resample(voice[None], from_rate=wanted.sample_rate, to_rate=stream.sample_rate)
    blocks = torch.from_numpy(np.ascontiguousarray(heard)).split(65536, dim=-1)
    stream = referenced(stream, blocks)
    parts = [stream.push(block) for block in blocks]
    salience = torch.cat([*parts, stream.finish()], dim=-1)[:, :frames]
    whole = torch.nn.functional.pad(salience, (0, frames - salience.shape[-1]))
    return whole.cpu().numpy().astype(np.float16)
