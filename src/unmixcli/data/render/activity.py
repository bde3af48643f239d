"""When a stem sounds, as intervals: told from the finished stem, sample by sample.

A stem is active where its level in frames of 20 ms is above -60 dB of full scale; gaps shorter
than 0.2 s do not count as silence.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unmixcli.data.render.notes import Audio

FRAME_S = 0.02
THRESHOLD_DB = -60.0
SHORTEST_GAP_S = 0.2


def active_intervals(sound: Audio, *, sample_rate: int) -> list[tuple[float, float]]:
    """Start and end in s of each interval in which `(channels, samples)` sounds."""
    size = round(FRAME_S * sample_rate)
    frames = -(-sound.shape[1] // size)
    padded = np.pad(sound, ((0, 0), (0, frames * size - sound.shape[1])))
    power = np.mean(padded.reshape(sound.shape[0], frames, size) ** 2, axis=(0, 2))
    active = power > 10 ** (THRESHOLD_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    end_s = sound.shape[1] / sample_rate
    found: list[tuple[float, float]] = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        start, end = first * size / sample_rate, min(last * size / sample_rate, end_s)
        if found and start - found[-1][1] < SHORTEST_GAP_S:
            start = found.pop()[0]
        found.append((start, end))
    return found


def activity_csv(stems: Mapping[str, Audio], *, sample_rate: int) -> str:
    """Lines of `start_s,end_s,stem` below a heading, in the order of stems and time."""
    lines = ["start_s,end_s,stem"]
    for name, sound in stems.items():
        intervals = active_intervals(sound, sample_rate=sample_rate)
        lines += [f"{start:.4f},{end:.4f},{name}" for start, end in intervals]
    return "\n".join(lines) + "\n"
