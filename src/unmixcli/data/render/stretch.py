"""Time stretching of one voice by waveform similarity (WSOLA; Verhelst and Roelands, 1993)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmixcli.data.render.notes import Audio
from unmixcli.data.render.recordings import shifted

_WINDOW_S = 0.046
_SEARCH_S = 0.012
# Similarity is judged on every fourth sample.
_STEP = 4


@dataclass(frozen=True)
class Stretch:
    """A stretched sound, `(samples,)`, and where each of its grains came from.

    Attributes:
        samples: the sound.
        grains_s: when the grains are loudest in it, s, `(grains,)`, rising.
        origins_s: which moments of the sound as it was these are, `(grains,)`.
    """

    samples: Audio
    grains_s: NDArray[np.float64]
    origins_s: NDArray[np.float64]

    def origin_s(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The moments of the sound as it was that are heard at some times; shape as given."""
        return np.interp(times_s, self.grains_s, self.origins_s)


def stretched(samples: Audio, *, factor: float, sample_rate: int) -> Audio:
    """The sound `factor` times as long at the same pitch, `(samples,)`."""
    return stretch(samples, factor=factor, sample_rate=sample_rate).samples


def stretch(samples: Audio, *, factor: float, sample_rate: int) -> Stretch:
    """The sound `factor` times as long at the same pitch, and its way through time."""
    half = max(_STEP, round(_WINDOW_S * sample_rate / 2))
    search = max(_STEP, round(_SEARCH_S * sample_rate))
    length = round(len(samples) * factor)
    padded = np.pad(samples, (search + half, 3 * half + 2 * search + half))
    window = np.hanning(2 * half + 1)[:-1].astype(np.float32)
    output = np.zeros(length + 4 * half, np.float32)
    last = search + half
    origins: list[int] = []
    starts = range(0, length + half, half)
    for start in starts:
        wanted = search + half + round(start / factor)
        wanted = min(wanted, len(padded) - 3 * half - search)
        at = wanted if start == 0 else _most_alike(padded, last + half, wanted, (half, search))
        output[start : start + 2 * half] += window * padded[at - half : at + half]
        last = at
        origins.append(at - search - half)
    # The first grain stands half a window before its centre.
    return Stretch(
        output[half : half + length],
        np.array(starts, np.float64) / sample_rate,
        np.array(origins, np.float64) / sample_rate,
    )


def pitch_shifted(samples: Audio, *, semitones: float, sample_rate: int) -> Audio:
    """The sound so much higher and as long as it was, `(samples,)`."""
    longer = stretched(samples, factor=2.0 ** (semitones / 12.0), sample_rate=sample_rate)
    moved = shifted(longer, semitones=semitones, from_rate=sample_rate, to_rate=sample_rate)
    return np.pad(moved, (0, max(0, len(samples) - len(moved))))[: len(samples)]


def _most_alike(padded: Audio, natural: int, wanted: int, sizes: tuple[int, int]) -> int:
    """The centre about `wanted` whose grain is most like the natural continuation."""
    half, search = sizes
    natural = min(natural, len(padded) - half)
    pattern = padded[natural - half : natural + half : _STEP]
    around = padded[wanted - search - half : wanted + search + half : _STEP]
    likeness = np.correlate(around, pattern, mode="valid")
    return wanted - search + _STEP * int(likeness.argmax())
