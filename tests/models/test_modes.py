"""Files of safetensors have the permissions of any other new file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unmixcli.models.modes import usual_mode


@pytest.fixture(params=[0o022, 0o027, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_the_umask_decides(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "x.safetensors"
    with usual_mode(path):
        save_file({"weight": torch.zeros(3)}, path)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
