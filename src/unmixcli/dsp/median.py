"""Median filters of spectrograms: over frames, over bins, or over rectangles of both.

Each value becomes the median of the odd number of values around it; beyond its ends a spectrogram
goes on mirrored, edge values repeated (``d c b a | a b c d | d c b a``). That is
``scipy.ndimage.median_filter(mode="reflect")``, to the bit, for medians are picked, not computed;
only windows longer than the spectrogram come out otherwise, where SciPy 1.17 errs.

On a CPU compiled code runs over tiles in a few threads of this module, which works beside other
threads whatever numba's own threads can do. A window along one axis is kept in order while it moves
on: each step compares all of it with the value that leaves and the one that comes, without a
branch, so that eight values or more are compared at once. A rectangle is a set of bits: the values
of a tile are ranked once, the set holds the ranks inside the rectangle, and a pointer follows their
middle (Suomela, "Median filtering is equivalent to sorting", 2014). On CUDA every window is sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmixcli.dsp.compiled import compiled
from unmixcli.pool import run_all

Floats = NDArray[np.float32]
Ranks = NDArray[np.int64]
Words = NDArray[np.uint64]

# Lines of a tile: enough that a thread does not wait for the interpreter.
_TILE_LINES = 64
# Rows and columns of a tile of rectangles: what it sees beyond its own values is ranked as well.
_TILE_ROWS, _TILE_COLUMNS = 256, 64
# Values that a GPU sorts at once.
_SORTED_VALUES = 2**27


def median_filter(values: Tensor, *, bins: int = 1, frames: int = 1) -> Tensor:
    """Replace each value by the median of the ``bins`` × ``frames`` values around it.

    Shape: ``(…, bins, frames)`` float32 → the same, in memory laid out as it likes. NaN gives
    nothing of use.

    Raises:
        ValueError: another type, fewer than two axes, or sizes that are not odd and positive.
    """
    _check(values, bins=bins, frames=frames)
    if not values.numel() or bins == frames == 1:
        return values.clone()
    spectrograms = values.reshape(-1, *values.shape[-2:])
    if values.device.type == "cuda":
        filtered = torch.stack([_sorted(part, bins, frames) for part in spectrograms])
        return filtered.reshape(values.shape)
    source = spectrograms.detach().cpu().numpy()
    target = np.empty_like(source)
    tiles = _lines if 1 in (bins, frames) else _rectangles
    pairs = zip(source, target, strict=True)
    work = [tile for pair in pairs for tile in tiles(*pair, bins, frames)]
    workers = min(torch.get_num_threads(), len(work))
    run_all(lambda tile: tile(), work, jobs=workers, stop=lambda: None)
    return torch.from_numpy(target).reshape(values.shape).to(values.device)


def _check(values: Tensor, *, bins: int, frames: int) -> None:
    if values.dtype != torch.float32 or values.ndim < 2:
        raise ValueError(
            f"A median filter takes float32 (…, bins, frames), not {values.dtype} "
            f"{tuple(values.shape)}; give it magnitudes."
        )
    if min(bins, frames) < 1 or not bins % 2 or not frames % 2:
        raise ValueError(f"A median is taken over odd sizes, not {bins} × {frames}; add 1.")


def _lines(source: Floats, target: Floats, bins: int, frames: int) -> Iterator[Callable[[], None]]:
    """The work on windows along one axis."""
    if bins > 1:
        source, target = source.T, target.T
    for start in range(0, len(source), _TILE_LINES):
        part = slice(start, start + _TILE_LINES)
        yield partial(_filter_lines, source[part], target[part], max(bins, frames))


def _rectangles(
    source: Floats, target: Floats, bins: int, frames: int
) -> Iterator[Callable[[], None]]:
    """The work on rectangles, which move along their longer side."""
    if frames > bins:
        source, target, bins, frames = source.T, target.T, frames, bins
    rows, columns = (_mirrored(n, k) for n, k in zip(source.shape, (bins, frames), strict=True))
    for row in range(0, source.shape[0], _TILE_ROWS):
        for column in range(0, source.shape[1], _TILE_COLUMNS):
            own = target[row : row + _TILE_ROWS, column : column + _TILE_COLUMNS]
            seen_rows = rows[row : row + own.shape[0] + bins - 1]
            seen_columns = columns[column : column + own.shape[1] + frames - 1]
            yield partial(_filter_rectangles, source, own, seen_rows, seen_columns)


def _mirrored(count: int, size: int) -> NDArray[np.intp]:
    """Where the values of ``count`` lie, with ``size // 2`` more at each end."""
    places = np.arange(-(size // 2), count + size // 2) % (2 * count)
    return np.minimum(places, 2 * count - 1 - places)


def _sorted(values: Tensor, bins: int, frames: int) -> Tensor:
    """The filter of one spectrogram by sorting each window."""
    for axis, size in ((-2, bins), (-1, frames)):
        places = torch.from_numpy(_mirrored(values.shape[axis], size)).to(values.device)
        values = values.index_select(axis, places)
    windows = values.unfold(-2, bins, 1).unfold(-2, frames, 1)
    step = max(1, _SORTED_VALUES // windows[0].numel())
    parts = [part.flatten(-2).median(dim=-1).values for part in windows.split(step)]
    return torch.cat(parts)


@compiled("void(float32[:], float32[:])")
def _mirror(values: Floats, extended: Floats) -> None:
    """Write a line with as many mirrored values before and after it as there is room for."""
    count, half = len(values), (len(extended) - len(values)) // 2
    for place in range(len(extended)):
        mirrored = (place - half) % (2 * count)
        extended[place] = values[min(mirrored, 2 * count - 1 - mirrored)]


@compiled("void(float32[::1], float32[::1], float32, float32)")
def _replace(window: Floats, kept: Floats, leaves: np.float32, comes: np.float32) -> None:
    """Put a value into a sorted window for one that is in it.

    ``kept`` is for the window without the one, between minus and plus infinity.
    """
    for i in range(len(window) - 1):
        here, above = window[i], window[i + 1]
        kept[i + 1] = here if here < leaves else above
    for i in range(len(window)):
        below, here = kept[i], kept[i + 1]
        least = here if here < comes else comes
        window[i] = below if below > least else least


@compiled("void(float32[:, :], float32[:, :], int64)")
def _filter_lines(source: Floats, target: Floats, size: int) -> None:
    """Filter each row of ``source`` into ``target``."""
    length = source.shape[1]
    line = np.empty(length + size - 1, np.float32)
    window, kept = np.empty(size, np.float32), np.empty(size + 1, np.float32)
    kept[0], kept[size] = -np.inf, np.inf
    for number in range(len(source)):
        _mirror(source[number], line)
        window[: size - 1] = np.sort(line[: size - 1])
        window[size - 1] = leaves = np.float32(np.inf)
        for place in range(length):
            _replace(window, kept, leaves, line[place + size - 1])
            target[number, place] = window[size // 2]
            leaves = line[place]


@compiled("void(uint64[:], int64[:, :], int64[:])")
def _toggle(words: Words, ranks: Ranks, pointer: Ranks) -> None:
    """Take ranks in that are out and out that are in.

    ``pointer`` is a word and the number of ranks that are in the words before it.
    """
    for rank in ranks.flat:
        place = rank >> 6
        bit = np.uint64(1) << np.uint64(rank & 63)
        words[place] ^= bit
        if place < pointer[0]:
            pointer[1] += 1 if words[place] & bit else -1


@compiled("int64(uint64)")
def _ones(bits: np.uint64) -> int:
    """How many bits are set; there are few."""
    count = 0
    while bits:
        bits &= bits - np.uint64(1)
        count += 1
    return count


@compiled("void(uint64[:], int64[:], int64)")
def _settle(words: Words, pointer: Ranks, middle: int) -> None:
    """Move the pointer to the word with the rank that comes after ``middle`` others."""
    word, before = pointer[0], pointer[1]
    while before > middle:
        word -= 1
        before -= _ones(words[word])
    ones = _ones(words[word])
    while before + ones <= middle:
        before += ones
        word += 1
        ones = _ones(words[word])
    pointer[0], pointer[1] = word, before


@compiled("int64(uint64, int64)")
def _place_of(bits: np.uint64, number: int) -> int:
    """The place of the bit that is set after ``number`` others."""
    for _ in range(number):
        bits &= bits - np.uint64(1)
    place = 0
    for half in (32, 16, 8, 4, 2, 1):
        if not bits & ((np.uint64(1) << np.uint64(half)) - np.uint64(1)):
            bits >>= np.uint64(half)
            place += half
    return place


@compiled("void(uint64[:], int64[:], int64[:, :], int64[:], boolean)")
def _follow_column(
    words: Words, pointer: Ranks, ranks: Ranks, medians: Ranks, upwards: bool
) -> None:
    """Move a rectangle as wide as ``ranks`` along them; write the ranks in its middle."""
    height = len(medians)
    rows = len(ranks) - height + 1
    middle = rows * ranks.shape[1] // 2
    for number in range(height):
        row = height - 1 - number if upwards else number
        if number:
            edge = row if upwards else row - 1
            _toggle(words, ranks[edge : edge + 1], pointer)
            _toggle(words, ranks[edge + rows : edge + rows + 1], pointer)
        _settle(words, pointer, middle)
        place = _place_of(words[pointer[0]], middle - pointer[1])
        medians[row] = pointer[0] * 64 + place


@compiled("void(int64[:, :], int64[:, :])")
def _follow_medians(ranks: Ranks, medians: Ranks) -> None:
    """Move a rectangle down one column and up the next; write the ranks in its middle."""
    height, width = medians.shape
    rows, columns = ranks.shape[0] - height + 1, ranks.shape[1] - width + 1
    words = np.zeros(ranks.size // 64 + 1, np.uint64)
    pointer = np.zeros(2, np.int64)
    _toggle(words, ranks[:rows, :columns], pointer)
    for column in range(width):
        upwards = column % 2 == 1
        last = column + columns - 1
        if column:
            row = height - 1 if upwards else 0
            _toggle(words, ranks[row : row + rows, column - 1 : column], pointer)
            _toggle(words, ranks[row : row + rows, last : last + 1], pointer)
        _follow_column(words, pointer, ranks[:, column : last + 1], medians[:, column], upwards)


def _filter_rectangles(
    source: Floats, target: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> None:
    """Filter what lies in ``rows`` and ``columns`` of ``source`` into ``target``, smaller."""
    # Mirrored edges repeat values; equal ones are ranked in any order.
    seen = source[np.ix_(rows, columns)].ravel()
    order = np.argsort(seen)
    ranks = np.empty(len(seen), np.int64)
    ranks[order] = np.arange(len(seen))
    medians = np.empty(target.shape, np.int64)
    _follow_medians(ranks.reshape(len(rows), len(columns)), medians)
    target[:] = seen[order[medians]]
