"""From a track to arrays: parts are cut, weighted, placed and summed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unmixcli.audio.read import probe, read_audio
from unmixcli.audio.resample import resample, resampled_length
from unmixcli.data.tracks.model import MIX, Part, Track
from unmixcli.errors import InputError, UsageError

Audio: TypeAlias = NDArray[np.float32]

_Shape: TypeAlias = tuple[int, int]

# A stem may end long before the mix does; behind its end it is silent.
_NOTHING: Audio = np.zeros((1, 0), np.float32)


def load_stems(
    track: Track, stems: Sequence[str] | None = None, *, sample_rate: int | None = None
) -> tuple[dict[str, Audio], int]:
    """Stems of a track by name, and their sample rate in Hz.

    Args:
        track: as a reader gave it.
        stems: the names wanted, "mix" among them; None for all stems and the mix.
        sample_rate: in Hz; None for the track's own.

    Returns:
        Arrays `(channels, samples)` of one shape: that of the longest and widest of all parts
        of the track, whether they are wanted or not. Shorter parts are followed by silence, mono
        ones stand in every channel. "mix" is the mixture file, else the sum of all stems.

    Raises `UsageError` for a stem that the track does not have, `InputError` for a file that
    cannot be read or has no such channel.
    """
    names = (*track.stems, MIX) if stems is None else tuple(stems)
    unknown = [name for name in names if name not in track.stems and name != MIX]
    if unknown:
        raise UsageError(
            f"Track {track.name} has no stem '{unknown[0]}'; it has {', '.join(track.stems)}."
        )
    rate = sample_rate or native_rate(track)
    shape = _shape(track, rate)
    loaded = {
        name: _sum(track.stems[name], shape, rate=rate)
        for name in track.stems
        if name in names or (MIX in names and track.mixture is None)
    }
    if MIX in names:
        loaded[MIX] = _mix(track, loaded, shape=shape, rate=rate)
    return {name: loaded[name] for name in names}, rate


def native_rate(track: Track) -> int:
    """The rate in Hz of a track: its own, else that of its mixture, else of its first part."""
    return track.sample_rate or probe(track.parts[0].path).sample_rate


def _mix(track: Track, stems: dict[str, Audio], *, shape: _Shape, rate: int) -> Audio:
    if track.mixture is not None:
        return _sum((track.mixture,), shape, rate=rate)
    mix = np.zeros(shape, np.float32)
    for name in track.stems:
        mix += stems[name]
    return mix


def _sum(parts: Sequence[Part], shape: _Shape, *, rate: int) -> Audio:
    total = np.zeros(shape, np.float32)
    for part in parts:
        at = round(part.offset_s * rate)
        samples = _read(part, rate)[:, : shape[1] - at]
        total[:, at : at + samples.shape[1]] += np.float32(part.gain) * samples
    return total


def _shape(track: Track, rate: int) -> _Shape:
    sizes = [_extent(part, rate) for part in track.parts]
    channels = {size[0] for size in sizes}
    return max(channels), max(size[1] for size in sizes)


def _extent(part: Part, rate: int) -> _Shape:
    """Channels of a part, and the sample of the track at which it ends."""
    info = probe(part.path)
    if info.samples is None:
        channels, samples = _read(part, rate).shape
    else:
        count = max(0, info.samples - round(part.start_s * info.sample_rate))
        if part.duration_s is not None:
            count = min(count, max(1, round(part.duration_s * info.sample_rate)))
        channels = 1 if part.channel else info.channels
        samples = resampled_length(count, from_rate=info.sample_rate, to_rate=rate)
    return channels, round(part.offset_s * rate) + samples


def _read(part: Part, rate: int) -> Audio:
    info = probe(part.path)
    start = round(part.start_s * info.sample_rate)
    if info.samples is not None and start >= info.samples:
        return _NOTHING
    # Where a file does not say its length, a start behind its end shows only afterwards.
    seek = info.samples is not None
    samples, from_rate = read_audio(
        part.path,
        start_s=part.start_s if seek else 0.0,
        duration_s=part.duration_s if seek else None,
        stream=part.stream,
    )
    if not seek:
        samples = _cut(samples, start, duration_s=part.duration_s, rate=from_rate)
    if part.channel is not None:
        samples = _channel(samples, part.channel, path=part.path)
    return resample(samples, from_rate=from_rate, to_rate=rate)


def _cut(samples: Audio, start: int, *, duration_s: float | None, rate: int) -> Audio:
    end = None if duration_s is None else start + max(1, round(duration_s * rate))
    return samples[:, start:end]


def _channel(samples: Audio, channel: str, *, path: Path) -> Audio:
    if samples.shape[0] != 2:
        raise InputError(
            f"{path} has one channel; it should have two, with a stem of its own in each."
        )
    return samples[:1] if channel == "left" else samples[1:]
