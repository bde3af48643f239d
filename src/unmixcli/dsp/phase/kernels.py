r"""The loops of phase unwrapping, compiled by Numba when they are first called.

They release the interpreter's lock and start no threads of their own, so any threads may call them
at once. All arrays are double and C-contiguous, so that each loop is compiled in one form only;
complex numbers are pairs on a last axis of 2.

One bin of one frame has the mix ``X``, magnitudes ``V_j`` and sources ``S_j = V_j u_j``. Dividing
by ``s = √(Σ V_j²)`` and turning by the mix's phase makes the mix a real number ``ρ = |X| / s`` and
the magnitudes shares ``a_j = V_j / s`` with ``Σ a_j² = 1``; then an iteration

- ``E = X - Σ S_j``, ``Y_j = S_j + V_j² / s² E``, ``S_j ← V_j Y_j / |Y_j|`` becomes
- ``e = ρ - Σ a_j u_j``, ``u_j ← (u_j + a_j e) / |u_j + a_j e|``,

which needs no angle. A share of zero leaves its direction alone, and so does a ``Y_j`` that is zero
but for rounding.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unmixcli.dsp.compiled import compiled

Array = NDArray[Any]

# Bins that iterate together: the rows of a few sources stay in the first-level cache. The grid of
# tiles is part of the result's last bits, so it depends on nothing.
TILE_BINS = 128

# Where the rows of a tile begin: four of the mix, then three of each source. In one array at fixed
# distances, or the compiler would have to prove that they do not overlap, and would not vectorise.
_RADIUS, _POWER, _ERROR_RE, _ERROR_IM = range(0, 4 * TILE_BINS, TILE_BINS)
_FIRST, _EACH = 4 * TILE_BINS, 3 * TILE_BINS
_RE, _IM = TILE_BINS, 2 * TILE_BINS

# |Y|² relative to s² below which Y is rounding noise: its direction means nothing.
_NOTHING = 1e-24

_PEAK_SHARE = 0.01


class Block(NamedTuple):
    """Some frames of all channels, what they start from and what becomes of them; all double.

    Attributes:
        magnitudes: ``(sources, channels, frames, bins)``, those whose phases are unwrapped first.
        frequencies: of these in bins, ``(unwrapped, channels, frames, bins)``.
        directions: of these in the last frame, ``(unwrapped, channels, bins, 2)``; replaced.
        errors: ``(channels, tiles, iterations + 1)``; ``|X - ΣS|²`` is added, unless the
            last axis is empty.
        mix: ``(channels, frames, bins, 2)``.
        spectra: ``(sources, channels, frames, bins, 2)``; replaced.
        hop_share: hop over n_fft.
    """

    magnitudes: Array
    frequencies: Array
    directions: Array
    errors: Array
    mix: Array
    spectra: Array
    hop_share: float


@compiled()
def find_frequencies(magnitudes: Array, found: Array) -> None:
    """Write the frequency of each bin, in bins; both ``(frames, bins)`` double, the first > 0."""
    for frame in range(magnitudes.shape[0]):
        _find_in_frame(magnitudes[frame], found[frame])


@compiled()
def _find_in_frame(values: Array, found: Array) -> None:
    lowest = _PEAK_SHARE * values.max()
    last = values.shape[0] - 1
    peak, frequency, start, bin_ = -1, 0.0, 0, 1
    while bin_ < last:
        height, end = values[bin_], bin_
        while end < last and values[end + 1] == height:
            end += 1
        # A peak of equal bins is in their middle; the outermost bins have no parabola.
        if values[bin_ - 1] < height > lowest and end < last and values[end + 1] < height:
            top = (bin_ + end) // 2
            if peak >= 0:
                border = _border(values, peak, top)
                found[start:border] = frequency
                start = border
            peak, frequency = top, _interpolated(values, top)
        bin_ = end + 1
    if peak >= 0:
        found[start:] = frequency
        return
    for bin_ in range(last + 1):
        found[bin_] = bin_


@compiled()
def _border(values: Array, lower: int, upper: int) -> int:
    """The first bin that belongs to the upper peak: the louder a peak, the wider its region."""
    below, above = values[lower], values[upper]
    # Bins are counted from 1 here, and the region of the lower peak includes its border.
    return int((above * (lower + 1) + below * (upper + 1)) / (below + above))


@compiled()
def _interpolated(values: Array, peak: int) -> float:
    """Where the parabola through three logarithmic magnitudes has its top."""
    before = math.log10(values[peak - 1])
    top = math.log10(values[peak])
    after = math.log10(values[peak + 1])
    bend = before - 2 * top + after
    return peak + 0.5 * (before - after) / bend if bend < 0 else float(peak)


@compiled()
def recover(block: Block, channel: int, tile: int, iterations: int) -> None:
    """Find the sources of one tile of bins, frame after frame."""
    sources = block.magnitudes.shape[0]
    work = np.empty(_FIRST + sources * _EACH)
    phasor = np.empty((TILE_BINS, 2))
    first = tile * TILE_BINS
    count = min(TILE_BINS, block.mix.shape[2] - first)
    errors = block.errors[channel, tile]
    rounds, step = (iterations, 1) if errors.size else (1, iterations)
    for frame in range(block.mix.shape[1]):
        _load(block, channel, frame, first, phasor[:count], work)
        for source in range(block.directions.shape[0]):
            _turn(block, source, channel, frame, first, phasor[:count], work)
        if errors.size:
            errors[0] += _error(work, sources, count)
        for done in range(rounds):
            _iterate(work, sources, count, step)
            if errors.size:
                errors[done + 1] += _error(work, sources, count)
        _store(block, channel, frame, first, phasor[:count], work)


@compiled()
def _load(block: Block, channel: int, frame: int, first: int, phasor: Array, work: Array) -> None:
    """Set radius and power, shares and directions of the mix, and its phasor.

    A silent mix has the phase 0.
    """
    for b in range(phasor.shape[0]):
        real = block.mix[channel, frame, first + b, 0]
        imag = block.mix[channel, frame, first + b, 1]
        loudness = math.sqrt(real * real + imag * imag)
        phasor[b, 0] = real / loudness if loudness > 0 else 1.0
        phasor[b, 1] = imag / loudness if loudness > 0 else 0.0
        power = 0.0
        for source in range(block.magnitudes.shape[0]):
            magnitude = block.magnitudes[source, channel, frame, first + b]
            power += magnitude * magnitude
        # Where all are silent nothing moves, and all of the mix is error.
        power = power or 1.0
        scale = 1 / math.sqrt(power)
        work[_RADIUS + b], work[_POWER + b] = loudness * scale, power
        for source in range(block.magnitudes.shape[0]):
            row = _FIRST + source * _EACH + b
            work[row] = block.magnitudes[source, channel, frame, first + b] * scale
            work[row + _RE], work[row + _IM] = 1.0, 0.0


@compiled()
def _turn(
    block: Block,
    source: int,
    channel: int,
    frame: int,
    first: int,
    phasor: Array,
    work: Array,
) -> None:
    """Set the directions of a source a hop further than in the last frame."""
    row = _FIRST + source * _EACH
    before, cosine, sine = -1.0, 1.0, 0.0
    for b in range(phasor.shape[0]):
        frequency = block.frequencies[source, channel, frame, first + b]
        if frequency != before:
            turns = frequency * block.hop_share
            angle = 2 * math.pi * (turns - math.floor(turns))
            before, cosine, sine = frequency, math.cos(angle), math.sin(angle)
        last_re = block.directions[source, channel, first + b, 0]
        last_im = block.directions[source, channel, first + b, 1]
        real, imag = last_re * cosine - last_im * sine, last_re * sine + last_im * cosine
        work[row + _RE + b] = real * phasor[b, 0] + imag * phasor[b, 1]
        work[row + _IM + b] = imag * phasor[b, 0] - real * phasor[b, 1]


@compiled()
def _iterate(work: Array, sources: int, count: int, iterations: int) -> None:
    for _ in range(iterations):
        _miss(work, sources, count)
        for source in range(sources):
            first = _FIRST + source * _EACH
            rows = work[first : first + _EACH]
            _move(rows, work, count)


@compiled()
def _move(rows: Array, work: Array, count: int) -> None:
    """Turn a source towards what its share of the error makes of it."""
    for b in range(count):
        share, re, im = rows[b], rows[_RE + b], rows[_IM + b]
        moved_re = re + share * work[_ERROR_RE + b]
        moved_im = im + share * work[_ERROR_IM + b]
        power = moved_re * moved_re + moved_im * moved_im
        scale = 1 / math.sqrt(power)
        rows[_RE + b] = moved_re * scale if power > _NOTHING else re
        rows[_IM + b] = moved_im * scale if power > _NOTHING else im


@compiled()
def _miss(work: Array, sources: int, count: int) -> None:
    """Set the rows of the error: what the sources leave of the mix."""
    for b in range(count):
        work[_ERROR_RE + b], work[_ERROR_IM + b] = work[_RADIUS + b], 0.0
    for source in range(sources):
        first = _FIRST + source * _EACH
        rows = work[first : first + _EACH]
        for b in range(count):
            work[_ERROR_RE + b] -= rows[b] * rows[_RE + b]
            work[_ERROR_IM + b] -= rows[b] * rows[_IM + b]


@compiled()
def _error(work: Array, sources: int, count: int) -> float:
    """Σ ``|X - ΣS|²``."""
    _miss(work, sources, count)
    total = 0.0
    for b in range(count):
        real, imag = work[_ERROR_RE + b], work[_ERROR_IM + b]
        total += work[_POWER + b] * (real * real + imag * imag)
    return total


@compiled()
def _store(block: Block, channel: int, frame: int, first: int, phasor: Array, work: Array) -> None:
    for source in range(block.magnitudes.shape[0]):
        row = _FIRST + source * _EACH
        for b in range(phasor.shape[0]):
            mix_re, mix_im = phasor[b, 0], phasor[b, 1]
            re, im = work[row + _RE + b], work[row + _IM + b]
            real, imag = re * mix_re - im * mix_im, re * mix_im + im * mix_re
            magnitude = block.magnitudes[source, channel, frame, first + b]
            block.spectra[source, channel, frame, first + b, 0] = magnitude * real
            block.spectra[source, channel, frame, first + b, 1] = magnitude * imag
            if source < block.directions.shape[0]:
                block.directions[source, channel, first + b, 0] = real
                block.directions[source, channel, first + b, 1] = imag
