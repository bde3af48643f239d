"""From takes to stems that sum to a finished mix.

Each stem goes through its own channel of the desk; then one gain over time, the bus limiter's,
is applied to all of them alike, so that the mix stays their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from unmixcli.audio.read import read_audio
from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.effects import (
    compressed,
    made_up_impulse,
    saturated,
    tilted,
    unit_energy,
    with_reverb,
)
from unmixcli.data.render.notes import Audio
from unmixcli.data.render.recordings import shifted
from unmixcli.data.render.source import Source
from unmixcli.data.render.take import at_level, level_of

# The largest magnitude of the mix.
PEAK = 0.89
_LONGEST_IMPULSE_S = 2.0
_HOP_SAMPLES = 128
_LOOK_AHEAD_HOPS = 12


@dataclass(frozen=True)
class Channel:
    """Ranges from which a stem's settings are drawn: levels in dB, echo as a share."""

    level_db: tuple[float, float]
    low_db: tuple[float, float]
    high_db: tuple[float, float]
    ratio: tuple[float, float]
    drive: tuple[float, float]
    wet: tuple[float, float]


# Levels are against a voice at 0 dB.
_CHANNELS = {
    "vocals": Channel((-2.0, 3.0), (-6.0, 1.0), (-2.0, 5.0), (1.5, 5.0), (0.0, 0.8), (0.05, 0.4)),
    "drums": Channel((-3.5, 3.5), (-3.0, 4.0), (-3.0, 4.0), (1.0, 4.0), (0.0, 1.2), (0.0, 0.18)),
    "bass": Channel((-5.0, 2.0), (-2.0, 4.0), (-6.0, 3.0), (1.5, 5.0), (0.0, 1.5), (0.0, 0.03)),
    "other": Channel((-6.0, 2.0), (-6.0, 1.0), (-4.0, 3.0), (1.0, 3.0), (0.0, 0.8), (0.03, 0.35)),
}


def mix_stems(
    stems: Mapping[str, Audio], source: Source, random: np.random.Generator, *, sample_rate: int
) -> tuple[dict[str, Audio], str]:
    """Mixed stems `(2, samples)` by name, and the name of the room's impulse response.

    The sum of the stems stays within `PEAK`.
    """
    impulse, room = _impulse(source, random, sample_rate=sample_rate)
    mixed = {
        name: _channel(sound, _CHANNELS[name], random, impulse=impulse, sample_rate=sample_rate)
        for name, sound in stems.items()
    }
    return limited(mixed, drive_db=float(random.uniform(0.0, 6.0))), room


def limited(stems: Mapping[str, Audio], *, drive_db: float) -> dict[str, Audio]:
    """Stems whose sum was driven so much into a limiter at `PEAK`; one gain over time for all."""
    mix = np.sum(list(stems.values()), axis=0)
    loudest = float(np.abs(mix).max(initial=0.0))
    if loudest <= 0:
        return dict(stems)
    gain = _limiter_gain(mix * np.float32(10 ** (drive_db / 20) / loudest))
    gain *= np.float32(10 ** (drive_db / 20) / loudest * PEAK)
    driven = {name: sound * gain for name, sound in stems.items()}
    peaks = [float(np.abs(sound).max(initial=0.0)) for sound in driven.values()]
    peaks.append(float(np.abs(np.sum(list(driven.values()), axis=0)).max(initial=0.0)))
    scale = np.float32(min(1.0, PEAK / max(peaks)))
    return {name: sound * scale for name, sound in driven.items()}


def _limiter_gain(mix: Audio) -> Audio:
    """The gain that keeps a mix within 1, `(samples,)`: it falls early and rises slowly."""
    samples = mix.shape[1]
    hops = -(-samples // _HOP_SAMPLES)
    padded = np.pad(np.abs(mix).max(axis=0), (0, hops * _HOP_SAMPLES - samples))
    needed = 1.0 / np.maximum(padded.reshape(hops, _HOP_SAMPLES).max(axis=1), 1.0)
    size = 2 * _LOOK_AHEAD_HOPS + 1
    # The mean over a window of minima over as long a window is nowhere above the minimum.
    smooth = uniform_filter1d(minimum_filter1d(needed, size), size)
    centres = (np.arange(hops) + 0.5) * _HOP_SAMPLES
    return np.asarray(np.interp(np.arange(samples), centres, smooth), np.float32)


def _channel(
    sound: Audio,
    channel: Channel,
    random: np.random.Generator,
    *,
    impulse: Audio,
    sample_rate: int,
) -> Audio:
    """A stem through the desk; the same numbers are drawn whether or not it is silent."""
    level_db, low_db, high_db, ratio, drive, wet = (
        float(random.uniform(*span))
        for span in (
            channel.level_db,
            channel.low_db,
            channel.high_db,
            channel.ratio,
            channel.drive,
            channel.wet,
        )
    )
    if level_of(sound) <= 0:
        return sound
    shaped = tilted(at_level(sound, 0.1), low_db=low_db, high_db=high_db, sample_rate=sample_rate)
    even = compressed(
        shaped, threshold_db=-10.0, ratio=ratio, release_s=0.12, sample_rate=sample_rate
    )
    warm = saturated(even, drive=drive)
    return at_level(with_reverb(warm, impulse, wet=wet), 0.1 * 10 ** (level_db / 20))


def _impulse(source: Source, random: np.random.Generator, *, sample_rate: int) -> tuple[Audio, str]:
    """A recorded impulse response, or a made-up one."""
    if source.impulses and chance(random, 0.6):
        path = pick(random, source.impulses)
        recorded, rate = read_audio(path, duration_s=_LONGEST_IMPULSE_S)
        at_rate = shifted(recorded, semitones=0.0, from_rate=rate, to_rate=sample_rate)
        stereo = np.broadcast_to(at_rate[:2], (2, at_rate.shape[1]))
        fade = np.linspace(1.0, 0.0, stereo.shape[1], dtype=np.float32)
        name = path.relative_to(source.folder).parent.as_posix()
        return unit_energy(np.asarray(stereo * fade, np.float32)), name
    seconds = float(random.uniform(0.25, 1.8))
    return made_up_impulse(random, seconds=seconds, sample_rate=sample_rate), "synthesis"
