"""ONNX: exports give their networks' masks or leave no file; a provider is kept or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import Tensor

from unmixcli.errors import ModelError, ResourceError
from unmixcli.models import onnx as ours
from unmixcli.models.catalogue import Model, find_model
from unmixcli.models.load import load_model, spectral_settings
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.models.waveform import WaveformModel
from unmixcli.networks.complex_unet import ComplexUNet, ComplexUNetConfig
from unmixcli.networks.openunmix import OpenUnmix

CPU = torch.device("cpu")

HEAD = """
name = "{name}"
title = "Random"
description = "Random weights, for tests."
architecture = "{architecture}"
stems = ["vocals", "other"]
residual = "other"
sample_rate = 44100
channels = 2
training_data = "none"

[stft]
n_fft = 256
hop_samples = 64

[licence]
name = "MIT"
commercial = true
"""

COMPLEX = """
[chunks]
length = 32
multiple = 4

[parameters]
bins = 64

[parameters.network]
filters = [4, 8]
compression = 0.3
"""

RECURRENT = """
[chunks]
length = 32
context = 4
fixed = false

[parameters]
hidden_size = 8
nb_layers = 1
"""

FILE = """
[[files]]
role = "{role}"
name = "{role}.safetensors"
sha256 = "{digest}"
"""


def write_model(folder: Path, card: str, states: dict[str, dict[str, Tensor]]) -> Model:
    folder.mkdir()
    for role, state in states.items():
        path = folder / f"{role}.safetensors"
        save_file(state, path)
        card += FILE.format(role=role, digest=hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "model.toml").write_text(card)
    return find_model(str(folder))


def complex_model(folder: Path) -> Model:
    torch.manual_seed(0)
    config = ComplexUNetConfig(channels=2, stems=2, filters=(4, 8), compression=0.3)
    card = HEAD.format(name="complex", architecture="unet_stems") + COMPLEX
    return write_model(folder, card, {"all": ComplexUNet(config).state_dict()})


def recurrent_model(folder: Path) -> Model:
    states = {}
    for number, stem in enumerate(("vocals", "other")):
        torch.manual_seed(number)
        states[stem] = OpenUnmix(129, hidden_size=8, nb_layers=1).state_dict()
    card = HEAD.format(name="recurrent", architecture="openunmix") + RECURRENT
    return write_model(folder, card, states)


def masks_of(model: Model, mix: Tensor) -> Tensor:
    network = load_model(model, device=CPU)
    assert isinstance(network, SpectralModel)
    with torch.no_grad():
        return network.masks(mix, stems=model.card.stems)


def run(path: Path, mix: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["masks"], {"mix": mix.numpy()})[0])


def spectra(batch: int, *, bins: int, frames: int) -> Tensor:
    random = torch.Generator().manual_seed(batch)
    level = 10 ** torch.empty(batch, 2, bins, frames).uniform_(-5, 1, generator=random)
    return level * torch.randn(level.shape, dtype=torch.complex64, generator=random)


def test_ratio_masks(small_model: Path, tmp_path: Path) -> None:
    model = find_model(str(small_model))
    # A folder that is not there is made, as by every command that writes.
    path = tmp_path / "a folder" / "masks.onnx"
    ours.export_onnx(model, path)
    for batch in (1, 3):
        magnitudes = spectra(batch, bins=257, frames=64).abs()
        actual, expected = run(path, magnitudes), masks_of(model, magnitudes + 0j)
        assert actual.shape == (batch, 2, 2, 257, 64)
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)
    facts = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    assert facts["stems"] == "vocals,accompaniment"
    assert (facts["n_fft"], facts["hop_samples"], facts["sample_rate"]) == ("512", "128", "44100")


def test_complex_masks(tmp_path: Path) -> None:
    model = complex_model(tmp_path / "complex")
    ours.export_onnx(model, tmp_path / "masks.onnx")
    mix = spectra(2, bins=129, frames=32)
    actual = torch.view_as_complex(run(tmp_path / "masks.onnx", torch.view_as_real(mix)))
    torch.testing.assert_close(actual, masks_of(model, mix), atol=1e-4, rtol=0)


def test_chunks_of_any_length(tmp_path: Path) -> None:
    model = recurrent_model(tmp_path / "recurrent")
    ours.export_onnx(model, tmp_path / "masks.onnx")
    for frames in (32, 7):
        magnitudes = spectra(2, bins=129, frames=frames).abs()
        actual, expected = (
            run(tmp_path / "masks.onnx", magnitudes),
            masks_of(model, magnitudes + 0j),
        )
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


class OtherInAnExport(SpectralModel):
    """Masks that an export gets wrong."""

    def __init__(self, settings: SpectralSettings) -> None:
        super().__init__()
        self.settings = settings

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        wrong = 1e-3 if torch.compiler.is_exporting() else 0.0
        return (mix.abs().clamp_max(1) + wrong).unsqueeze(1).expand(-1, len(stems), -1, -1, -1)


def test_an_export_that_differs_leaves_no_file(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model(str(small_model))
    network = OtherInAnExport(spectral_settings(model.card))
    monkeypatch.setattr(ours, "load_model", lambda *_, **__: network)
    with pytest.raises(ModelError, match="its export gives masks that differ"):
        ours.export_onnx(model, tmp_path / "masks.onnx")
    assert list(tmp_path.iterdir()) == []


class NotInAnExport(OtherInAnExport):
    """Masks that no export can trace."""

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        if torch.compiler.is_exporting():
            raise NotImplementedError("no graph has this")
        return super().masks(mix, stems=stems)


def test_what_torch_cannot_export(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model(str(small_model))
    network = NotInAnExport(spectral_settings(model.card))
    monkeypatch.setattr(ours, "load_model", lambda *_, **__: network)
    with pytest.raises(ModelError, match="cannot export it to ONNX: no graph has this"):
        ours.export_onnx(model, tmp_path / "masks.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_samples_is_refused(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "load_model", lambda *_, **__: WaveformModel())
    with pytest.raises(ModelError, match="only models that give masks"):
        ours.export_onnx(find_model(str(small_model)), tmp_path / "masks.onnx")


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A graph that adds its input to itself."""
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ("batch", 3)) for n in ("given", "sum")
    ]
    node = helper.make_node("Add", ["given", "given"], ["sum"])
    graph = helper.make_graph([node], "double", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "double.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_a_graph_runs_on_tensors_of_any_layout(doubling: Path) -> None:
    graph = ours.Graph(doubling, device=CPU)
    assert graph.input_shape == (None, 3)
    values = torch.arange(12.0).reshape(3, 4).T
    assert torch.equal(graph.run(values, shape=(4, 3)), 2 * values)
    assert torch.equal(values, torch.arange(12.0).reshape(3, 4).T)


def test_threads_are_those_of_torch(doubling: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 3)
        options = ours.Graph(doubling, device=CPU)._session.get_session_options()
    finally:
        torch.set_num_threads(before)
    assert options.intra_op_num_threads == before + 3


def test_a_provider_that_is_not_installed(doubling: Path) -> None:
    with pytest.raises(ResourceError, match=r"--device cuda: .*unmixcli\[gpu\].*--device cpu"):
        ours.Graph(doubling, device=torch.device("cuda"))


def test_a_provider_that_does_not_start(doubling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime then says so in its log, and runs on the CPU."""
    session = onnxruntime.InferenceSession

    def fallen_back(*words: Any, **options: Any) -> Any:
        return session(*words, **{**options, "providers": ["CPUExecutionProvider"]})

    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen_back)
    with pytest.raises(ResourceError, match="CUDAExecutionProvider does not start here"):
        ours.Graph(doubling, device=torch.device("cuda"))


def test_a_graph_of_two_inputs(tmp_path: Path) -> None:
    names = ("one", "two", "sum")
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (3,)) for n in names]
    node = helper.make_node("Add", ["one", "two"], ["sum"])
    graph = helper.make_graph([node], "add", ends[:2], ends[2:])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "add.onnx")
    with pytest.raises(ModelError, match="2 inputs and 1 outputs"):
        ours.Graph(tmp_path / "add.onnx", device=CPU)


def test_numbers_are_those_of_float32(doubling: Path) -> None:
    values = torch.from_numpy(np.float32([[1e-30, 0.1, 3e38]]))
    doubled = ours.Graph(doubling, device=CPU).run(values, shape=(1, 3))
    assert torch.equal(doubled, values + values)
