"""Deep Salience: Keras' files without Keras, converted once, its card and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from salience_models_for_tests import shared_weights
from unmixcli.dsp.hcqt import HCQTConfig
from unmixcli.errors import ModelError, UsageError
from unmixcli.models.adapters import deep_salience
from unmixcli.models.card import Card, read_card
from unmixcli.models.catalogue import Model, choose_model, find_model
from unmixcli.models.chosen import choose
from unmixcli.models.load import load_model
from unmixcli.models.salience import SalienceModel
from unmixcli.models.weights import cached_path, sha256, verify_installed
from unmixcli.networks.deep_salience import DeepSalience, DeepSalienceConfig

Layers = list[tuple[str, dict[str, NDArray[np.float64]]]]
CPU = torch.device("cpu")
NAMES = ["deep-salience-vocal", "deep-salience-multif0"]


def random_layers(seed: int = 0) -> Layers:
    """Layers as Keras names and orders them; the names do not sort in the order of the layers."""
    random = np.random.default_rng(seed)
    config = DeepSalienceConfig()
    layers: Layers = [("input_9", {})]
    inputs = (config.harmonics, *config.filters[:-1])
    shapes = zip(inputs, config.filters, config.kernels, strict=True)
    for number, (before, after, kernel) in enumerate(shapes):
        norm = {name: random.normal(size=before) for name in ("gamma", "beta", "moving_mean")}
        norm["moving_variance"] = random.uniform(0.5, 2, before)
        layers.append((f"batch_normalization_{number + 8}", norm))
        size = (*kernel, before, after)
        weights = {"kernel": random.normal(size=size) / 30, "bias": random.normal(size=after)}
        layers.append((f"layer{9 - number}", weights))
    return layers


def write_keras(path: Path, layers: Layers, *, inside: str = "/") -> None:
    with h5py.File(path, "w") as file:
        root = file.require_group(inside)
        root.attrs["layer_names"] = [name.encode() for name, _ in layers]
        for name, arrays in layers:
            group = root.create_group(name)
            full = [f"{name}_3/{part}:0" for part in arrays]
            group.attrs["weight_names"] = [text.encode() for text in full]
            for text, array in zip(full, arrays.values(), strict=True):
                group.create_dataset(text, data=array.astype(np.float32))


def model(folder: Path, *, converted: str | None = None, name: str = "random") -> Model:
    """A model of the file `weights.h5` in a folder."""
    builtin = find_model(NAMES[0]).card.model_dump(mode="json")
    file = {"role": "all", "name": "weights.h5", "sha256": sha256(folder / "weights.h5")}
    own = {"name": name, "parameters": {"converted": converted}, "files": [file]}
    return Model(Card.model_validate({**builtin, **own}), folder)


@pytest.fixture
def keras(tmp_path: Path) -> Path:
    write_keras(tmp_path / "weights.h5", random_layers())
    return tmp_path


@pytest.mark.parametrize("inside", ["/", "model_weights"])
def test_weights_go_by_order_into_the_layers(tmp_path: Path, inside: str) -> None:
    layers = random_layers()
    write_keras(tmp_path / "weights.h5", layers, inside=inside)
    network = load_model(model(tmp_path), device=CPU).network
    assert isinstance(network, DeepSalience)
    for number in range(6):
        norm, convolution = (list(arrays.values()) for _, arrays in layers[2 * number + 1 :][:2])
        ours = [*network.norms[number].state_dict().values()][:4]
        for mine, theirs in zip(ours, norm, strict=True):
            np.testing.assert_array_equal(mine.numpy(), theirs.astype(np.float32))
        kernel = network.convolutions[number].weight.permute(2, 3, 1, 0)
        np.testing.assert_array_equal(kernel.numpy(), convolution[0].astype(np.float32))
        bias = network.convolutions[number].bias.numpy()
        np.testing.assert_array_equal(bias, convolution[1].astype(np.float32))


def test_conversion_happens_once_and_is_proven(
    keras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep_salience.convert(keras / "weights.h5", keras / "expected")
    known = model(keras, converted=sha256(keras / "expected"), name="converted-once")
    load_model(known, device=CPU)
    path = cached_path(known.card, known.card.files[0]).with_suffix(".safetensors")
    assert path.read_bytes() == (keras / "expected").read_bytes()
    # What has been tampered with is made anew.
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    first = load_model(known, device=CPU)
    assert path.read_bytes() == (keras / "expected").read_bytes()
    monkeypatch.setattr(deep_salience, "convert", None)
    second = load_model(known, device=CPU)
    for mine, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_other_files_are_refused(keras: Path) -> None:
    layers = random_layers()
    write_keras(keras / "weights.h5", layers[:-1])
    with pytest.raises(ModelError, match="holds 34 arrays"):
        load_model(model(keras), device=CPU)
    (keras / "weights.h5").write_bytes(b"no HDF5")
    with pytest.raises(ModelError, match="the weights do not fit the card"):
        load_model(model(keras), device=CPU)


def test_chunks_must_hold_what_a_frame_depends_on(keras: Path) -> None:
    good = model(keras)
    chunks = good.card.chunks.model_copy(update={"context": 6})
    short = Model(good.card.model_copy(update={"chunks": chunks}), keras)
    with pytest.raises(ModelError, match=r"chunks\.context must be at least 7"):
        load_model(short, device=CPU)


def test_the_engine_gets_what_the_card_says(keras: Path) -> None:
    network = load_model(model(keras), device=CPU)
    assert isinstance(network, SalienceModel)
    assert network.settings.hcqt == HCQTConfig()
    assert network.settings.threshold == 0.3
    salience = network.salience(torch.rand(2, 6, 360, 9))
    assert salience.shape == (2, 360, 9)
    assert ((salience >= 0) & (salience <= 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_cards_name_commit_and_licence(name: str) -> None:
    card = find_model(name).card
    source: Any = card.files[0].source
    assert "/ismir2017-deepsalience/raw/4b2ff4449ee9d4b27b9a116d80a9393f246879a7/" in source.url
    assert card.licence.name == "MIT"
    assert card.gives == ("pitch",)


@pytest.mark.real_weights
@pytest.mark.parametrize("name", NAMES)
def test_the_published_file_is_what_the_card_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared_weights()
    if folder is None:
        pytest.skip("no weights: set UNMIX_SHARED to the folder that holds weights/deepsalience")
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path))
    card = find_model(name).card
    path = cached_path(card, card.files[0])
    path.parent.mkdir(parents=True)
    shutil.copy(folder / path.name, path)
    verify_installed(card, tmp_path)
    load_model(find_model(name), device=CPU)
    assert sha256(path.with_suffix(".safetensors")) == card.parameters["converted"]


@pytest.mark.parametrize("text", [NAMES[0], f"{NAMES[0]}+spleeter-2stems"])
def test_separation_is_refused_in_one_line(
    unmix: Callable[..., Any], song: Path, tmp_path: Path, text: str
) -> None:
    outcome = unmix("separate", song, "--out", tmp_path / "out", "--model", text)
    assert outcome.code == 2
    assert outcome.out == ""
    assert len(outcome.err.strip().splitlines()) == 1
    assert f"gives pitch and no stems; type: unmix pitch INPUT --model {NAMES[0]}" in outcome.err


def test_a_default_without_stems_does_not_separate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    choose(NAMES[0])
    assert choose_model(()).model.card.stems
    assert not find_model(NAMES[0]).has(())
    with pytest.raises(UsageError, match="unmix pitch"):
        _ = find_model(NAMES[0]).stem_set


def test_a_card_must_give_something(tmp_path: Path) -> None:
    text = (find_model(NAMES[0]).folder / "model.toml").read_text()
    bare = text[: text.index("[pitch]")] + text[text.index("[chunks]") :]
    (tmp_path / "model.toml").write_text(bare)
    with pytest.raises(ModelError, match="at least one is needed, or a table pitch"):
        read_card(tmp_path / "model.toml")
    (tmp_path / "model.toml").write_text(text.replace("threshold = 0.3", "threshold = 1.3"))
    with pytest.raises(ModelError, match=r"pitch\.threshold"):
        read_card(tmp_path / "model.toml")


def test_listing_and_showing(unmix: Callable[..., Any]) -> None:
    assert NAMES[1] in unmix("models", "list").out
    assert NAMES[0] not in unmix("models", "list", "--stem", "vocals").out
    assert '"threshold": 0.3' in unmix("models", "show", NAMES[0], "--json").out
