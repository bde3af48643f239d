r"""The loops of phase unwrapping, compiled by Numba when they are first called.

They release the interpreter's lock and start no threads of their own, so any threads may call them
at once. All arrays are double and C-contiguous, so that each loop is compiled in one form only;
complex numbers are pairs on a last axis of 2.

One bin of one frame has the mix ``X``, magnitudes ``V_j`` and sources ``S_j = V_j u_j``. Dividing
by ``s = √(V_1² + V_2²)`` and turning by the mix's phase makes the mix a real number ``ρ = |X| / s``
and the magnitudes two shares ``a_j = V_j / s`` with ``a_1² + a_2² = 1``; then an iteration

- ``E = X - S_1 - S_2``, ``Y_j = S_j + V_j² / s² E``, ``S_j ← V_j Y_j / |Y_j|`` becomes
- ``e = ρ - a_1 u_1 - a_2 u_2``, ``u_j ← (u_j + a_j e) / |u_j + a_j e|``,

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

# Bins that iterate together: their eight rows stay in the first-level cache. The grid of tiles
# is part of the result's last bits, so it depends on nothing.
TILE_BINS = 128

# Where the rows of a tile begin. In one array at fixed distances, or the compiler would have to
# prove that they do not overlap, and would not vectorise.
_SHARE_1, _SHARE_2, _RADIUS, _POWER, _RE_1, _IM_1, _RE_2, _IM_2 = range(0, 8 * TILE_BINS, TILE_BINS)

# |Y|² relative to s² below which Y is rounding noise: its direction means nothing.
_NOTHING = 1e-24

_PEAK_SHARE = 0.01


class Block(NamedTuple):
    """Some frames of all channels, what they start from and what becomes of them; all double.

    Attributes:
        magnitudes: ``(2, channels, frames, bins)``, that whose phase is unwrapped first.
        frequencies: of the first source in bins, ``(channels, frames, bins)``.
        directions: of the first source in the last frame, ``(channels, bins, 2)``; replaced.
        errors: ``(channels, tiles, iterations + 1)``; ``|X - ΣS|²`` is added, unless the
            last axis is empty.
        mix: ``(channels, frames, bins, 2)``.
        spectra: ``(2, channels, frames, bins, 2)``; replaced.
    """

    magnitudes: Array
    frequencies: Array
    directions: Array
    errors: Array
    mix: Array
    spectra: Array


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
def recover(block: Block, channel: int, tile: int, iterations: int, hop_share: float) -> None:
    """Find the sources of one tile of bins, frame after frame; hop_share is hop / n_fft."""
    work = np.empty(8 * TILE_BINS)
    phasor = np.empty((TILE_BINS, 2))
    first = tile * TILE_BINS
    count = min(TILE_BINS, block.mix.shape[2] - first)
    errors = block.errors[channel, tile]
    rounds, step = (iterations, 1) if errors.size else (1, iterations)
    for frame in range(block.mix.shape[1]):
        _load(block, channel, frame, first, phasor[:count], work)
        _turn(block, channel, frame, first, phasor[:count], work, hop_share)
        if errors.size:
            errors[0] += _error(work, count)
        for done in range(rounds):
            _iterate(work, count, step)
            if errors.size:
                errors[done + 1] += _error(work, count)
        _store(block, channel, frame, first, phasor[:count], work)


@compiled()
def _load(block: Block, channel: int, frame: int, first: int, phasor: Array, work: Array) -> None:
    """Set shares, radius and power, and the phasor of the mix; a silent mix has the phase 0."""
    for b in range(phasor.shape[0]):
        real = block.mix[channel, frame, first + b, 0]
        imag = block.mix[channel, frame, first + b, 1]
        loudness = math.sqrt(real * real + imag * imag)
        phasor[b, 0] = real / loudness if loudness > 0 else 1.0
        phasor[b, 1] = imag / loudness if loudness > 0 else 0.0
        one = block.magnitudes[0, channel, frame, first + b]
        two = block.magnitudes[1, channel, frame, first + b]
        # Where both are silent nothing moves, and all of the mix is error.
        power = one * one + two * two or 1.0
        scale = 1 / math.sqrt(power)
        work[_SHARE_1 + b], work[_SHARE_2 + b] = one * scale, two * scale
        work[_RADIUS + b], work[_POWER + b] = loudness * scale, power


@compiled()
def _turn(
    block: Block,
    channel: int,
    frame: int,
    first: int,
    phasor: Array,
    work: Array,
    hop_share: float,
) -> None:
    """Set the directions from the mix: the first is a hop further than in the last frame."""
    before, cosine, sine = -1.0, 1.0, 0.0
    for b in range(phasor.shape[0]):
        frequency = block.frequencies[channel, frame, first + b]
        if frequency != before:
            turns = frequency * hop_share
            angle = 2 * math.pi * (turns - math.floor(turns))
            before, cosine, sine = frequency, math.cos(angle), math.sin(angle)
        last_re = block.directions[channel, first + b, 0]
        last_im = block.directions[channel, first + b, 1]
        real, imag = last_re * cosine - last_im * sine, last_re * sine + last_im * cosine
        work[_RE_1 + b] = real * phasor[b, 0] + imag * phasor[b, 1]
        work[_IM_1 + b] = imag * phasor[b, 0] - real * phasor[b, 1]
        work[_RE_2 + b], work[_IM_2 + b] = 1.0, 0.0


@compiled()
def _iterate(work: Array, count: int, iterations: int) -> None:
    for _ in range(iterations):
        for b in range(count):
            one, two = work[_SHARE_1 + b], work[_SHARE_2 + b]
            re_1, im_1 = work[_RE_1 + b], work[_IM_1 + b]
            re_2, im_2 = work[_RE_2 + b], work[_IM_2 + b]
            error_re = work[_RADIUS + b] - one * re_1 - two * re_2
            error_im = -one * im_1 - two * im_2
            moved_re, moved_im = re_1 + one * error_re, im_1 + one * error_im
            power = moved_re * moved_re + moved_im * moved_im
            scale = 1 / math.sqrt(power)
            work[_RE_1 + b] = moved_re * scale if power > _NOTHING else re_1
            work[_IM_1 + b] = moved_im * scale if power > _NOTHING else im_1
            moved_re, moved_im = re_2 + two * error_re, im_2 + two * error_im
            power = moved_re * moved_re + moved_im * moved_im
            scale = 1 / math.sqrt(power)
            work[_RE_2 + b] = moved_re * scale if power > _NOTHING else re_2
            work[_IM_2 + b] = moved_im * scale if power > _NOTHING else im_2


@compiled()
def _error(work: Array, count: int) -> float:
    """Σ ``|X - S_1 - S_2|²``."""
    total = 0.0
    for b in range(count):
        one, two = work[_SHARE_1 + b], work[_SHARE_2 + b]
        real = work[_RADIUS + b] - one * work[_RE_1 + b] - two * work[_RE_2 + b]
        imag = one * work[_IM_1 + b] + two * work[_IM_2 + b]
        total += work[_POWER + b] * (real * real + imag * imag)
    return total


@compiled()
def _store(block: Block, channel: int, frame: int, first: int, phasor: Array, work: Array) -> None:
    for b in range(phasor.shape[0]):
        mix_re, mix_im = phasor[b, 0], phasor[b, 1]
        for source in range(2):
            re = work[(_RE_1, _RE_2)[source] + b]
            im = work[(_IM_1, _IM_2)[source] + b]
            real, imag = re * mix_re - im * mix_im, re * mix_im + im * mix_re
            magnitude = block.magnitudes[source, channel, frame, first + b]
            block.spectra[source, channel, frame, first + b, 0] = magnitude * real
            block.spectra[source, channel, frame, first + b, 1] = magnitude * imag
            if source == 0:
                block.directions[channel, first + b, 0] = real
                block.directions[channel, first + b, 1] = imag
