"""MDX-Net: equal to a plain loop over chunks, the table's cards fit, strangers are refused."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from unmixcli.errors import ModelError, ResourceError
from unmixcli.models.adapters import mdx
from unmixcli.models.catalogue import Model, find_model
from unmixcli.models.load import load_model
from unmixcli.models.waveform import WaveformModel
from unmixcli.separation.engine import Engine
from unmixcli.separation.stems import Request, plan_outputs
from unmixcli.separation.waveform import WaveformOptions, WaveformSeparator

N_FFT, HOP, DIM_F, DIM_T, COMPENSATE = 512, 128, 200, 16, 1.035
CHUNK = HOP * (DIM_T - 1)
CPU = torch.device("cpu")

CARD = """
name = "{name}"
title = "Random"
description = "Random weights, for tests."
architecture = "mdx"
stems = ["vocals", "accompaniment"]
residual = "accompaniment"
sample_rate = 44100
channels = 2
training_data = "none"

[chunks]
length = {chunk}
context = {context}
overlap = {overlap}
multiple = {chunk}

[parameters]
dim_f = {dim_f}
dim_t = {dim_t}
n_fft = {n_fft}
hop_samples = {hop}
compensate = {compensate}

[licence]
name = "MIT"
commercial = true

[[files]]
role = "all"
name = "net.onnx"
sha256 = "{digest}"
"""


def write_graph(path: Path, *, dim_f: int = DIM_F, batch: object = "batch") -> None:
    """Two random convolutions with a tanh between them."""
    random = np.random.default_rng(0)
    first = random.normal(0, 0.2, (8, 4, 3, 3)).astype(np.float32)
    second = random.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["output"]),
    ]
    weights = [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")]
    save_graph(path, nodes, weights, shape=(batch, 4, dim_f, DIM_T))


def write_identity(path: Path) -> None:
    """A network that gives what it sees."""
    nodes = [helper.make_node("Identity", ["input"], ["output"])]
    save_graph(path, nodes, [], shape=("batch", 4, DIM_F, DIM_T))


def save_graph(path: Path, nodes: list[Any], weights: list[Any], *, shape: tuple[Any, ...]) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("input", "output")
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], initializer=weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def model_in(folder: Path, *, overlap: int = 0, **changes: object) -> Model:
    """The model of `folder/net.onnx`."""
    facts: dict[str, object] = {
        "name": folder.name,
        "chunk": CHUNK,
        "context": N_FFT // 2,
        "overlap": overlap,
        "dim_f": DIM_F,
        "dim_t": DIM_T,
        "n_fft": N_FFT,
        "hop": HOP,
        "compensate": COMPENSATE,
        "digest": hashlib.sha256((folder / "net.onnx").read_bytes()).hexdigest(),
    }
    (folder / "model.toml").write_text(CARD.format(**{**facts, **changes}))
    return find_model(str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "net"
    made.mkdir()
    write_graph(made / "net.onnx")
    return made


def loaded(model: Model) -> WaveformModel:
    network = load_model(model, device=CPU)
    assert isinstance(network, WaveformModel)
    return network


def noise(samples: int) -> Tensor:
    return torch.rand((2, samples), generator=torch.Generator().manual_seed(1)) - 0.5


def plain_loop(path: Path, mix: Tensor) -> Tensor:
    """One chunk after another, half a window at each end thrown away; from the definition."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    window = torch.hann_window(N_FFT)
    trim = N_FFT // 2
    own = CHUNK - 2 * trim
    pad = own - mix.shape[-1] % own
    padded = torch.nn.functional.pad(mix, (trim, pad + trim))
    done = []
    for start in range(0, mix.shape[-1] + pad, own):
        part = padded[:, start : start + CHUNK]
        spectrum = torch.stft(part, N_FFT, HOP, window=window, center=True, return_complex=True)
        left, right = spectrum
        seen = torch.stack((left.real, left.imag, right.real, right.imag))[:, :DIM_F].clone()
        seen[:, :3] = 0
        given = torch.from_numpy(session.run(None, {"input": seen[None].numpy()})[0][0])
        full = torch.zeros(4, *spectrum.shape[1:])
        full[:, :DIM_F] = given
        stem = torch.stack((torch.complex(full[0], full[1]), torch.complex(full[2], full[3])))
        wave = torch.istft(stem, N_FFT, HOP, window=window, center=True, length=CHUNK)
        done.append(wave[:, trim : CHUNK - trim])
    return torch.cat(done, dim=-1)[:, : mix.shape[-1]] * COMPENSATE


@pytest.mark.parametrize("samples", [1, 1000, CHUNK - N_FFT, 10_007])
@pytest.mark.parametrize("batch", [1, 3])
def test_equals_a_plain_loop(folder: Path, samples: int, batch: int) -> None:
    network = loaded(model_in(folder))
    mix = noise(samples)
    separator = WaveformSeparator(network, stems=["vocals"], options=WaveformOptions(batch=batch))
    actual = torch.cat((separator.push(mix), separator.finish()), dim=-1)[0]
    expected = plain_loop(folder / "net.onnx", mix)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_a_graph_for_one_chunk_takes_batches(folder: Path) -> None:
    write_graph(folder / "net.onnx", batch=1)
    batch = torch.stack([noise(CHUNK), noise(CHUNK).flip(-1)])
    network = loaded(model_in(folder))
    together = network.stems(batch, stems=["vocals"])
    alone = [network.stems(one[None], stems=["vocals"]) for one in batch]
    torch.testing.assert_close(together, torch.cat(alone))


def test_blocks_of_any_length_give_the_same(folder: Path) -> None:
    model = model_in(folder, overlap=300)
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    assert plan.computed == ("vocals",)
    mix = noise(20_011)
    results = []
    for size in (20_011, 777):
        separator = WaveformSeparator(loaded(model), stems=plan.computed)
        engine = Engine(separator, plan=plan, sample_rate=44100, channels=2)
        results.append(torch.cat(list(engine.stream(mix.split(size, dim=-1))), dim=-1))
    assert torch.equal(results[0], results[1])
    torch.testing.assert_close(results[0].sum(0), mix, atol=1e-6, rtol=0)


def test_the_second_stem_is_the_rest(folder: Path) -> None:
    mix = noise(CHUNK)[None]
    stems = loaded(model_in(folder)).stems(mix, stems=["accompaniment", "vocals"])
    torch.testing.assert_close(stems.sum(1), mix)
    vocals = loaded(model_in(folder)).stems(mix, stems=["vocals"])
    torch.testing.assert_close(stems[:, 1:], vocals)


@pytest.mark.parametrize(("bin_", "gain"), [(0, 0.0), (1, 0.0), (100, COMPENSATE), (230, 0.0)])
def test_a_network_that_changes_nothing(folder: Path, bin_: int, gain: float) -> None:
    """Of sines, those in the lowest three bins and above `dim_f` are gone, others compensated."""
    write_identity(folder / "net.onnx")
    phase = 2 * math.pi * bin_ / N_FFT * torch.arange(CHUNK)
    mix = torch.cos(phase).expand(1, 2, -1)
    given = loaded(model_in(folder)).stems(mix, stems=["vocals"])[:, 0]
    inside = slice(2 * N_FFT, -2 * N_FFT)
    torch.testing.assert_close(given[..., inside], gain * mix[..., inside], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim_f": 201}, "its network takes"),
        ({"dim_t": 32, "chunk": HOP * 31}, "its network takes"),
        ({"chunk": CHUNK + HOP}, "chunks must be fixed"),
        ({"n_fft": 256}, "dim_f 200 is more than n_fft 256 gives"),
    ],
)
def test_a_card_that_does_not_fit(folder: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(model_in(folder, **{"context": 64, **changes}), device=CPU)


def test_a_file_that_is_no_network(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="ONNX Runtime cannot open it"):
        load_model(model_in(folder), device=CPU)


def test_a_device_that_onnx_runtime_has_not(folder: Path) -> None:
    network = loaded(model_in(folder))
    # As after a move by torch: the network's device is another than the graph's.
    network.compensate = network.compensate.to("meta")
    with pytest.raises(ResourceError, match="--device meta: the ONNX Runtime here has"):
        network.to("meta")


def test_every_model_of_the_table_has_a_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "UVR-MDX-NET Inst (HQ).onnx"
    path.write_bytes(b"weights")
    known = mdx._table()
    assert len(known) == 44
    for digest, facts in known.items():
        monkeypatch.setattr(mdx, "tail_md5", lambda _, digest=digest: digest)
        card = mdx.card_for(path)
        assert card.name == "uvr-mdx-net-inst-hq"
        assert card.files[0].tail_md5 == digest
        assert card.files[0].sha256 == hashlib.sha256(b"weights").hexdigest()
        assert card.residual in card.stems
        assert {facts["primary"]} == set(card.stems) - {card.residual}
        assert card.chunks.length == 1024 * (facts["dim_t"] - 1)
        assert card.chunks.context == facts["n_fft"] // 2
        assert mdx.Parameters.model_validate(card.parameters).stft.bins >= facts["dim_f"]


def test_a_published_entry_of_the_table() -> None:
    facts = mdx._table()["0ddfc0eb5792638ad5dc27850236c246"]
    sizes = {"n_fft": 6144, "dim_f": 2048, "dim_t": 256, "compensate": 1.035}
    assert facts == {"primary": "vocals", **sizes}


def test_a_file_outside_the_table(folder: Path) -> None:
    path = folder / "net.onnx"
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    with pytest.raises(ModelError, match=rf"{digest}.*dim_f, dim_t, n_fft and compensate"):
        mdx.card_for(path)
