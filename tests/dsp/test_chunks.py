"""Chunks: the identity survives, the grid ignores blocks, contexts are really thrown away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig, ChunkStream

CONFIGS = [
    ChunkConfig(length=16),
    ChunkConfig(length=16, context=3, overlap=4, batch=2),
    ChunkConfig(length=16, overlap=8, batch=3),
    ChunkConfig(length=16, context=2, overlap=0, batch=4, fixed=False),
    ChunkConfig(length=20, context=4, overlap=3, batch=2, fixed=False),
]


def through(
    signal: Tensor, *, config: ChunkConfig, run: Callable[[Tensor], Tensor], block: int
) -> tuple[Tensor, Tensor]:
    stream = ChunkStream(config, run)
    pairs = [pair for part in signal.split(block, dim=-1) for pair in stream.push(part)]
    pairs.extend(stream.finish())
    return (
        torch.cat([pair[0] for pair in pairs], dim=-1),
        torch.cat([pair[1] for pair in pairs], dim=-1),
    )


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("length", [1, 2, 7, 12, 13, 15, 16, 17, 29, 31, 32, 33, 100, 257])
def test_identity_returns_the_signal(config: ChunkConfig, length: int) -> None:
    signal = torch.arange(2.0 * length).reshape(2, length)
    for block in (1, 5, length):
        inputs, outputs = through(signal, config=config, run=lambda x: x.clone(), block=block)
        assert torch.equal(inputs, signal)
        torch.testing.assert_close(outputs, signal)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("length", [1, 15, 40, 257])
def test_blocks_do_not_matter(config: ChunkConfig, length: int) -> None:
    def run(batch: Tensor) -> Tensor:
        # Depends on everything in the chunk and on the size of the batch.
        return batch.cumsum(-1) + batch.flip(-1) + batch.shape[0]

    signal = torch.rand(3, length, generator=torch.Generator().manual_seed(length))
    _, whole = through(signal, config=config, run=run, block=length)
    for block in (1, 7, 64):
        _, parts = through(signal, config=config, run=run, block=block)
        assert torch.equal(parts, whole)


def test_context_is_thrown_away() -> None:
    def spoil_ends(batch: Tensor) -> Tensor:
        spoiled = batch.clone()
        spoiled[..., :3] = torch.nan
        spoiled[..., -3:] = torch.nan
        return spoiled

    config = ChunkConfig(length=16, context=3, overlap=2)
    signal = torch.rand(1, 100)
    _, outputs = through(signal, config=config, run=spoil_ends, block=9)
    torch.testing.assert_close(outputs, signal)


def test_overlap_is_a_linear_cross_fade() -> None:
    calls = iter(range(100))

    def number_of_chunk(batch: Tensor) -> Tensor:
        return torch.full_like(batch, next(calls))

    config = ChunkConfig(length=8, overlap=4)
    _, outputs = through(torch.zeros(1, 12), config=config, run=number_of_chunk, block=12)
    expected = [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1]
    assert outputs[0].tolist() == expected


def test_axes_may_be_added_and_complex_steps_fade() -> None:
    config = ChunkConfig(length=16, context=2, overlap=4)
    signal = torch.randn(2, 5, 50, dtype=torch.complex64)
    run = lambda x: torch.stack((x, 2 * x), dim=1)  # noqa: E731
    inputs, outputs = through(signal, config=config, run=run, block=8)
    assert outputs.shape == (2, 2, 5, 50)
    torch.testing.assert_close(outputs[1], 2 * inputs)


def test_nothing_in_nothing_out() -> None:
    stream = ChunkStream(CONFIGS[1], lambda x: x)
    assert list(stream.push(torch.zeros(2, 0))) == []
    assert list(stream.finish()) == []


def test_buffer_does_not_grow() -> None:
    stream = ChunkStream(ChunkConfig(length=16, context=2, overlap=4, batch=2), lambda x: x)
    for _ in range(1000):
        list(stream.push(torch.zeros(1, 8)))
        assert sum(piece.shape[-1] for piece in stream._pieces) < 2 * 16 + 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"length": 16, "context": 8},
        {"length": 16, "overlap": 9},
        {"length": 16, "multiple": 5},
        {"length": 16, "context": -1},
    ],
)
def test_grids_that_do_not_advance_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        ChunkConfig(**wrong)
