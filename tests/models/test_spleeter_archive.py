"""Spleeter's own archives against what TensorFlow computes from them; see `fixtures`."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unmixcli.errors import ModelError
from unmixcli.models.card import Card
from unmixcli.models.catalogue import Model
from unmixcli.models.load import load_model
from unmixcli.models.tensorflow_bundle import read_bundle
from unmixcli.models.weights import sha256

FIXTURES = Path(__file__).parent / "fixtures"


def truth(kind: str) -> Any:
    return np.load(FIXTURES / f"spleeter-{kind}.npz")


def model(kind: str, folder: Path, *, archive: bytes | None = None) -> Model:
    """A model of the fixture's archive, or of another one."""
    facts = truth(kind)
    path = folder / "archive.tar.gz"
    path.write_bytes(archive or (FIXTURES / f"spleeter-{kind}.tar.gz").read_bytes())
    instruments = [str(stem) for stem in facts["stems"]]
    card = Card.model_validate(
        {
            "name": "small",
            "title": "",
            "description": "",
            "architecture": "spleeter_archive",
            # Not in the archive's order.
            "stems": instruments[::-1],
            "sample_rate": 8000,
            "channels": 2,
            "stft": {"n_fft": 128, "hop_samples": 32},
            "chunks": {"length": 64, "multiple": 64},
            "parameters": {
                "bins": 64,
                "instruments": instruments,
                "combine": "softmax" if kind == "softmax" else "ratio",
                "network": {
                    "filters": facts["filters"].tolist(),
                    "encoder_activation": "elu",
                    "decoder_activation": "elu",
                    "skip_source": "convolution",
                    "decoder_norm": "after_activation",
                    "head": "dilated",
                    "norm_eps": 1e-3,
                },
            },
            "licence": {"name": "MIT", "commercial": True},
            "training_data": "",
            "files": [{"role": "archive", "name": path.name, "sha256": sha256(path)}],
        }
    )
    return Model(card, folder)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_masks_are_those_of_tensorflow(tmp_path: Path, kind: str) -> None:
    facts = truth(kind)
    squared = facts["outputs"].astype(np.float64) ** 2
    expected = (squared + 1e-10 / len(squared)) / (squared.sum(0) + 1e-10)
    network = load_model(model(kind, tmp_path), device=torch.device("cpu"))
    stems = [str(stem) for stem in facts["stems"]]
    # There (frames, bins, channels), here (channels, bins, frames).
    mix = torch.from_numpy(facts["magnitudes"]).permute(0, 3, 2, 1).to(torch.complex64)
    masks = network.masks(torch.cat((mix, mix[..., :1, :]), dim=-2), stems=stems)
    found = masks[0, :, :, :64].permute(0, 3, 2, 1)
    torch.testing.assert_close(
        found, torch.from_numpy(expected[:, 0].astype(np.float32)), rtol=0, atol=1e-4
    )


def files(kind: str = "sigmoid") -> dict[str, bytes]:
    with tarfile.open(FIXTURES / f"spleeter-{kind}.tar.gz") as archive:
        streams = {name: archive.extractfile(name) for name in archive.getnames()}
        return {name: stream.read() for name, stream in streams.items() if stream}


def packed(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_every_variable_is_read_in_its_shape() -> None:
    content = files()
    variables = read_bundle(content["model.index"], content["model.data-00000-of-00001"])
    assert len(variables) == 2 * (2 * (7 + 6) + 4 * 12)
    assert variables["conv2d_7/kernel"].shape == (5, 5, 2, 2)
    assert variables["conv2d_transpose/kernel"].shape == (5, 5, 4, 4)
    assert all(np.isfinite(array).all() for array in variables.values())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"model.index": b"no table at all" * 9}, "no index of a TensorFlow checkpoint"),
        ({"model.index": None}, "holds no TensorFlow checkpoint"),
        ({"model.data-00000-of-00001": b"short"}, "not where the index says"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, broken: Any, message: str) -> None:
    content = {name: data for name, data in {**files(), **broken}.items() if data}
    with pytest.raises(ModelError, match=message):
        load_model(model("sigmoid", tmp_path, archive=packed(content)), device=torch.device("cpu"))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read as an archive"):
        load_model(model("sigmoid", tmp_path, archive=b"nothing"), device=torch.device("cpu"))


@pytest.mark.parametrize("kept", range(0, 48, 7))
def test_a_cut_index_is_refused(kept: int) -> None:
    content = files()
    index = content["model.index"]
    cut = index[: len(index) // 3] + index[len(index) - 48 + kept :]
    with pytest.raises(ValueError, match="checkpoint"):
        read_bundle(cut, content["model.data-00000-of-00001"])
