"""Out of memory: the batch is halved, then the chunk, said once each, with the right result."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.errors import ResourceError
from unmixcli.separation.sparing import Limits, SparingRunner


class Device:
    """A function with room for so many steps at once."""

    def __init__(self, steps: int, message: str = "CUDA out of memory. Tried to allocate") -> None:
        self.steps = steps
        self.message = message
        self.calls: list[tuple[int, int]] = []

    def __call__(self, batch: Tensor) -> Tensor:
        if batch.shape[0] * batch.shape[-1] > self.steps:
            raise RuntimeError(self.message)
        self.calls.append((batch.shape[0], batch.shape[-1]))
        return 2 * batch


CONFIG = ChunkConfig(length=64, context=4, overlap=8, batch=4, multiple=8)


@pytest.mark.parametrize(
    ("steps", "notices"),
    [
        (256, []),
        (128, ["batches of 2"]),
        (64, ["batches of 2", "batches of 1"]),
        (16, ["batches of 2", "batches of 1", "chunks of 32", "chunks of 16"]),
    ],
)
def test_shrinks_until_it_fits_and_says_so_once(steps: int, notices: list[str]) -> None:
    device, said = Device(steps), []
    runner = SparingRunner(device, config=CONFIG, notice=said.append)
    batch = torch.rand(4, 2, 64)
    for _ in range(3):
        torch.testing.assert_close(runner(batch), 2 * batch)
    assert len(said) == len(notices)
    assert all(notice in line for notice, line in zip(notices, said, strict=True))
    assert all(batch * length <= steps for batch, length in device.calls)


def test_the_next_track_knows_what_fits() -> None:
    device, said, limits = Device(16), [], Limits()
    batch = torch.rand(4, 2, 64)
    for _ in range(3):
        runner = SparingRunner(device, config=CONFIG, notice=said.append, limits=limits)
        torch.testing.assert_close(runner(batch), 2 * batch)
    assert len(said) == 4


def test_inner_parts_of_short_chunks_are_used() -> None:
    def spoil_ends(batch: Tensor) -> Tensor:
        if batch.shape[-1] > 16:
            raise torch.cuda.OutOfMemoryError("out of memory")
        output = batch.clone()
        output[..., :4] = torch.nan
        output[..., -4:] = torch.nan
        return output

    runner = SparingRunner(spoil_ends, config=CONFIG)
    batch = torch.rand(1, 1, 64)
    output = runner(batch)
    # Beyond the chunk's own ends there is nothing to take context from.
    torch.testing.assert_close(output[..., 4:-4], batch[..., 4:-4])


def test_gives_up_with_one_sentence() -> None:
    runner = SparingRunner(Device(4), config=CONFIG)
    with pytest.raises(ResourceError, match="out of memory even with one chunk of 8 steps"):
        runner(torch.rand(4, 2, 64))


def test_memory_of_the_cpu_counts_too() -> None:
    device = Device(64, "DefaultCPUAllocator: can't allocate memory: you tried to allocate")
    assert SparingRunner(device, config=CONFIG)(torch.rand(4, 1, 64)).shape == (4, 1, 64)


def test_other_errors_pass() -> None:
    runner = SparingRunner(Device(0, "shapes cannot be multiplied"), config=CONFIG)
    with pytest.raises(RuntimeError, match="shapes cannot"):
        runner(torch.rand(1, 1, 64))
