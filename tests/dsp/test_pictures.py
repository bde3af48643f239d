"""Columns of pictures: few, each the largest of its frames, whatever the pieces."""

from __future__ import annotations

import sys

import pytest
import torch

from unmixcli.dsp.pictures import Columns, check_plotting
from unmixcli.errors import ResourceError


@pytest.mark.parametrize("block", [1, 3, 37])
def test_columns_are_the_largest_of_their_frames(block: int) -> None:
    frames = torch.rand(2, 3, 37, generator=torch.Generator().manual_seed(0))
    columns = Columns(most=10)
    for part in frames.split(block, dim=-1):
        columns.push(part)
    expected = [part.amax(dim=-1) for part in frames.split(4, dim=-1)]
    assert columns.width == 4
    assert torch.equal(columns.finish(), torch.stack(expected, dim=-1))


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 1000])
def test_there_are_never_more_than_so_many(frames: int) -> None:
    columns = Columns(most=16)
    for part in torch.rand(3, frames).split(7, dim=-1):
        columns.push(part)
    found = columns.finish()
    # The one behind the last is of the frames that are left over.
    assert found.shape[-1] == -(-frames // columns.width) <= 17
    assert columns.width == 1 or found.shape[-1] > 8


def test_nothing_has_no_columns() -> None:
    with pytest.raises(ValueError, match="before any push"):
        Columns().finish()


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ResourceError, match="needs Matplotlib, which is not"):
        check_plotting()
