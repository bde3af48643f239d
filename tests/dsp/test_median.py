"""Median filters: equal to SciPy's to the bit, on the processor and by sorting windows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter as reference
from torch import Tensor

from unmixcli.dsp import median
from unmixcli.dsp.compiled import compiled
from unmixcli.dsp.median import median_filter

SIZES = [(1, 31), (31, 1), (1, 3), (137, 1), (3, 3), (47, 11), (5, 21), (1, 1)]
SHAPES = [(1, 70, 90), (2, 5, 40), (1, 1, 1), (2, 90, 3)]


def spectrogram(*shape: int, levels: int = 0) -> Tensor:
    """Random magnitudes; of few levels, so that many are equal, if `levels` is given."""
    random = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    return (random * levels).floor() if levels else random


def expected(values: Tensor, bins: int, frames: int) -> Tensor:
    if bins > values.shape[-2] or frames > values.shape[-1]:
        return defined(values, bins, frames)
    size = (*[1] * (values.ndim - 2), bins, frames)
    return torch.from_numpy(reference(values.numpy(), size=size, mode="reflect"))


def defined(values: Tensor, bins: int, frames: int) -> Tensor:
    """SciPy 1.17 goes wrong with windows that hold mirrored edges several times; NumPy does not."""
    edges = [(0, 0)] * (values.ndim - 2) + [(bins // 2, bins // 2), (frames // 2, frames // 2)]
    padded = np.pad(values.numpy(), edges, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (bins, frames), axis=(-2, -1))
    return torch.from_numpy(np.median(windows, axis=(-2, -1)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("bins", "frames"), SIZES)
def test_equal_to_scipy(shape: tuple[int, ...], bins: int, frames: int) -> None:
    for levels in (0, 3):
        values = spectrogram(*shape, levels=levels)
        filtered = median_filter(values, bins=bins, frames=frames)
        assert torch.equal(filtered, expected(values, bins, frames))


@pytest.mark.parametrize(("bins", "frames"), [(7, 5), (5, 7), (1, 9), (9, 1)])
def test_equal_to_scipy_over_several_tiles(bins: int, frames: int) -> None:
    values = spectrogram(1, 300, 150)
    assert torch.equal(
        median_filter(values, bins=bins, frames=frames), expected(values, bins, frames)
    )


@pytest.mark.parametrize(("bins", "frames"), SIZES)
@pytest.mark.parametrize("shape", [(40, 30), (4, 3)])
def test_sorted_windows_give_the_same(shape: tuple[int, int], bins: int, frames: int) -> None:
    """What runs on CUDA, on the processor."""
    values = spectrogram(*shape)
    assert torch.equal(median._sorted(values, bins, frames), expected(values, bins, frames))


def test_sorted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = spectrogram(20, 10)
    monkeypatch.setattr(median, "_SORTED_VALUES", 1)
    assert torch.equal(median._sorted(values, 3, 5), expected(values, 3, 5))


def test_memory_order_and_leading_axes_do_not_matter() -> None:
    values = spectrogram(2, 2, 40, 50)
    transposed = values.transpose(-1, -2).contiguous().transpose(-1, -2)
    before = transposed.clone()
    for bins, frames in ((1, 5), (5, 1), (3, 5)):
        filtered = median_filter(values, bins=bins, frames=frames)
        assert torch.equal(median_filter(transposed, bins=bins, frames=frames), filtered)
        assert torch.equal(filtered, expected(values, bins, frames))
    assert torch.equal(transposed, before)


def test_a_line_survives_along_itself_and_vanishes_across() -> None:
    values = torch.zeros(1, 60, 60)
    values[:, 20] = 1.0
    assert torch.equal(median_filter(values, frames=17), values)
    assert not median_filter(values, bins=3).any()
    assert not median_filter(values, bins=3, frames=17).any()


def test_zeros_of_both_signs_and_infinity() -> None:
    values = spectrogram(1, 9, 40, levels=3) - 1
    values[0, :, 5] = torch.inf
    values[0, :, 9] = -torch.inf
    values = values * torch.where(torch.arange(40) % 2 == 0, 1.0, -1.0)
    for bins, frames in ((1, 5), (3, 5)):
        assert torch.equal(
            median_filter(values, bins=bins, frames=frames), expected(values, bins, frames)
        )


def test_threads_do_not_disturb_each_other() -> None:
    values = [spectrogram(1, 80, 40 + n) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        filtered = list(pool.map(lambda part: median_filter(part, bins=9, frames=5), values))
    for part, result in zip(values, filtered, strict=True):
        assert torch.equal(result, expected(part, 9, 5))


def test_nothing_comes_of_nothing() -> None:
    assert median_filter(torch.zeros(2, 9, 0), frames=5).shape == (2, 9, 0)


def test_a_folder_that_cannot_be_written_to_compiles_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    def njit(signature: str, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled("void()")(np.sort) is np.sort


@pytest.mark.parametrize(
    ("values", "size", "message"),
    [
        (torch.zeros(1, 4, 4), 4, "odd sizes, not 1 × 4"),
        (torch.zeros(1, 4, 4), -1, "odd sizes"),
        (torch.zeros(1, 4, 4, dtype=torch.float64), 3, "takes float32"),
        (torch.zeros(4), 3, r"not torch.float32 \(4,\)"),
    ],
)
def test_what_it_does_not_take(values: Tensor, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        median_filter(values, frames=size)
