"""Demucs' pickles become its safetensors, and are not read without the user's word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from demucs.demucs import Demucs
from demucs.hf import load_safetensors_model
from demucs.states import get_state, load_model, save_with_checksum
from safetensors import safe_open

from demucs_for_tests import hdemucs, htdemucs
from unmixcli.errors import ModelError
from unmixcli.models.adapters.demucs import read_network
from unmixcli.models.convert import convert_file


def checkpoint(folder: Path, network: Any, **changes: Any) -> Path:
    """A file that Demucs' own function writes, weights in half precision as it publishes them."""
    folder.mkdir()
    args, kwargs = network._init_args_kwargs
    content = {
        "klass": type(network),
        "args": args,
        "kwargs": kwargs,
        "state": get_state(network, None, half=True),
        "training_args": {"epochs": 360},
        **changes,
    }
    save_with_checksum(content, folder / "955717e8.th")
    return next(folder.iterdir())


class Harm:
    """Leaves a file where it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def harmful(tmp_path: Path) -> tuple[Path, Path]:
    """A pickle, and the folder that reading it makes."""
    path, trace = tmp_path / "nice model.th", tmp_path / "harm"
    torch.save({"klass": Harm(trace)}, path)
    return path, trace


@pytest.mark.parametrize("make", [htdemucs, hdemucs])
def test_what_comes_out_is_the_same_network_in_both_packages(tmp_path: Path, make: Any) -> None:
    path, out = checkpoint(tmp_path / "in", make(3)), tmp_path / "out.safetensors"
    convert_file(path, out=out, trust=True)
    original = load_model(path)
    mix = torch.rand((1, 2, 13230), generator=torch.Generator().manual_seed(0)) - 0.5
    for again in (load_safetensors_model(out), read_network(out)):
        assert type(again) is type(original)
        assert again.segment == original.segment
        assert again.sources == original.sources
        with torch.no_grad():
            assert torch.equal(again.eval()(mix), original.eval()(mix))
    # As of any file that is made here, though safetensors would keep it from everybody else.
    (tmp_path / "new").touch()
    assert out.stat().st_mode == (tmp_path / "new").stat().st_mode
    with safe_open(out, framework="pt") as file:
        assert file.metadata().keys() == {"klass", "args", "kwargs"}


def test_without_trust_nothing_is_read(harmful: tuple[Path, Path], tmp_path: Path) -> None:
    path, trace = harmful
    with pytest.raises(ModelError, match="can run any code") as caught:
        convert_file(path, out=tmp_path / "out.safetensors", trust=False)
    assert f"unmix models convert '{path}' --trust" in str(caught.value)
    assert not trace.exists()
    # The same file does what it is made for once it is trusted: the test above could have failed.
    with pytest.raises(ModelError, match="no model of Demucs"):
        convert_file(path, out=tmp_path / "out.safetensors", trust=True)
    assert trace.is_dir()


def test_pickles_are_read_in_another_process(tmp_path: Path) -> None:
    class Ending:
        def __reduce__(self) -> Any:
            return os._exit, (7,)

    path = tmp_path / "ending.th"
    torch.save({"klass": Ending()}, path)
    with pytest.raises(ModelError, match="its process ended with 7"):
        convert_file(path, out=tmp_path / "out.safetensors", trust=True)
    assert not (tmp_path / "out.safetensors").exists()


def test_modules_beside_the_user_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path / "in", htdemucs())
    (tmp_path / "torch.py").write_text("raise SystemExit('not torch')")
    monkeypatch.chdir(tmp_path)
    convert_file(path, out=Path("out.safetensors"), trust=True)
    assert read_network(tmp_path / "out.safetensors") is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"klass": Demucs}, "it is a demucs.demucs.Demucs; known are demucs.hdemucs.HDemucs"),
        ({"state": {"__quantized": True}}, "it is quantised"),
        ({"kwargs": {"sources": {1, 2}}}, "its arguments hold a set"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = checkpoint(tmp_path / "in", htdemucs(), **changes)
    with pytest.raises(ModelError, match=f"cannot be converted: {said}"):
        convert_file(path, out=tmp_path / "out.safetensors", trust=True)
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_a_damaged_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "in", htdemucs())
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ModelError, match="damaged or tampered with"):
        convert_file(path, out=tmp_path / "out.safetensors", trust=True)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        convert_file(tmp_path / "none.th", out=tmp_path / "out.safetensors", trust=True)


def test_a_missing_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint(tmp_path / "in", htdemucs())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'unmixcli\[demucs\]'"):
        convert_file(path, out=tmp_path / "out.safetensors", trust=True)
