"""Several stems from one U-Net: from a folder with card and weights through the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import unmixcli
from conftest import RATE, noise
from models_for_tests import settings
from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.errors import ModelError
from unmixcli.models.adapters import unet_masks, unet_stems
from unmixcli.models.adapters.unet_stems import EDGE_BINS, UNetStems
from unmixcli.models.catalogue import Model, find_model
from unmixcli.models.load import load_model
from unmixcli.models.spectral import SpectralModel
from unmixcli.separation.spectral import SpectralOptions

CPU = torch.device("cpu")
STEMS = ("vocals", "drums", "bass", "other")
NETWORK: Mapping[str, Any] = {"filters": [4, 6], "kernel": 4, "compression": 0.5}
PARAMETERS: Mapping[str, Any] = {"bins": 128, "outputs": list(STEMS[:3]), "network": NETWORK}

CARD = """
name = "{name}"
title = "A small random model"
description = "Random weights, for tests."
architecture = "unet_stems"
stems = ["vocals", "drums", "bass", "other"]
residual = "other"
sample_rate = 44100
channels = {channels}
training_data = "none"

[stft]
n_fft = 512
hop_samples = 128

[chunks]
length = 64
context = 4
overlap = 8
multiple = 4

[parameters]
{parameters}

[licence]
name = "MIT"
commercial = true

[[files]]
role = "all"
name = "model.safetensors"
sha256 = "{digest}"
"""


def toml(values: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{key} = {{{', '.join(toml(value).splitlines())}}}"
        if isinstance(value, Mapping)
        else f"{key} = {value!r}"
        for key, value in values.items()
    )


def saved(folder: Path, parameters: Mapping[str, Any] = PARAMETERS, *, channels: int = 2) -> Model:
    """A folder as training leaves it: the state of an untrained network, and its card."""
    folder.mkdir()
    torch.manual_seed(0)
    network = unet_stems.new_network(PARAMETERS, channels=channels, stems=STEMS)
    path = folder / "model.safetensors"
    save_file(network.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = CARD.format(
        name=folder.name, digest=digest, channels=channels, parameters=toml(parameters)
    )
    (folder / "model.toml").write_text(card)
    return find_model(str(folder))


def loaded(folder: Path, **changes: Any) -> SpectralModel:
    model = load_model(saved(folder, {**PARAMETERS, **changes}), device=CPU)
    assert isinstance(model, UNetStems)
    return model


def spectrum(channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, channels, 257, 64, dtype=torch.complex64, generator=generator)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return saved(tmp_path_factory.mktemp("models") / "several")


@pytest.mark.parametrize("beyond", ["mean", "zeros"])
@pytest.mark.parametrize("mask", ["complex", "ratio"])
def test_masks_of_the_stems_and_the_residual_sum_to_one(beyond: str, mask: str) -> None:
    parameters = {**PARAMETERS, "beyond": beyond, "network": {**NETWORK, "mask": mask}}
    network = unet_stems.new_network(parameters, channels=2, stems=STEMS).eval()
    chosen = unet_stems.Parameters.model_validate(parameters)
    around = settings(stems=STEMS, chunks=ChunkConfig(length=64, multiple=4))
    model = UNetStems(around, network, chosen, residual="other")
    with torch.no_grad():
        masks = model.masks(spectrum(), stems=STEMS)
    assert masks.shape == (3, 4, 2, 257, 64)
    assert masks.is_complex() == (mask == "complex")
    torch.testing.assert_close(masks.sum(1), torch.ones_like(masks[:, 0]))


def test_loaded_masks_are_those_of_the_network(model: Model) -> None:
    network = unet_stems.new_network(PARAMETERS, channels=2, stems=STEMS)
    ours = load_model(model, device=CPU)
    network.load_state_dict(ours.network.state_dict())
    with torch.no_grad():
        expected = network.eval()(spectrum()[..., :128, :])
        masks = ours.masks(spectrum(), stems=STEMS[:3])
    torch.testing.assert_close(masks[..., :128, :], expected)


def test_only_what_is_asked_for_in_that_order_and_one_run(model: Model) -> None:
    ours = load_model(model, device=CPU)
    runs: list[int] = []
    ours.network.register_forward_hook(lambda *_: runs.append(1))
    everything = ours.masks(spectrum(), stems=STEMS)
    some = ours.masks(spectrum(), stems=("other", "drums"))
    assert len(runs) == 2
    assert torch.equal(some, everything[:, [3, 1]])


def test_mean_goes_on_above_the_bins_of_the_network(tmp_path: Path) -> None:
    ours = loaded(tmp_path / "mean", beyond="mean")
    masks = ours.masks(spectrum(), stems=STEMS[:3])
    edge = masks[..., 128 - EDGE_BINS : 128, :].abs().mean(-2, keepdim=True)
    edge = edge / edge.sum(1, keepdim=True).clamp(min=1)
    expected = edge.expand(-1, -1, -1, 257 - 128, -1).to(torch.complex64)
    torch.testing.assert_close(masks[..., 128:, :], expected)


def test_stems_above_never_sum_to_more_than_the_mix(tmp_path: Path) -> None:
    ours = loaded(tmp_path / "loud")
    with torch.no_grad():
        ours.network.decoder[-1][0].bias.fill_(5.0)
        masks = ours.masks(spectrum(), stems=STEMS)
    assert masks[:, :3, :, :128].abs().sum(1).min() > 1.5
    torch.testing.assert_close(masks[:, :3, :, 128:].sum(1).abs(), torch.ones(3, 2, 129, 64))
    torch.testing.assert_close(masks[:, 3, :, 128:].abs(), torch.zeros(3, 2, 129, 64))


def test_zeros_leave_the_band_above_to_the_residual(tmp_path: Path) -> None:
    masks = loaded(tmp_path / "zeros", beyond="zeros").masks(spectrum(), stems=STEMS)
    assert not masks[:, :3, :, 128:].any()
    assert masks[:, :3, :, :128].all()
    assert (masks[:, 3, :, 128:] == 1).all()


def test_separate_gives_every_stem_and_they_sum_to_the_song(model: Model) -> None:
    song = noise().T
    stems = unmixcli.separate(song, RATE, model=model.folder, device="cpu")
    assert list(stems) == list(STEMS)
    assert all(stem.shape == song.shape for stem in stems.values())
    assert all(np.abs(stem).max() > 1e-3 for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


def test_blocks_of_any_size_give_the_same(model: Model) -> None:
    song = noise(0.7).T
    session = unmixcli.load_model(model.folder, device="cpu")
    whole = unmixcli.separate(song, RATE, model=session)
    stream = unmixcli.open_stream(RATE, 2, model=session)
    parts = [stream.push(block) for block in torch.from_numpy(song.copy()).split(1009, dim=-1)]
    parts.append(stream.finish())
    assert np.array_equal(torch.cat(parts, dim=-1).numpy(), np.stack(list(whole.values())))


def test_wiener_filter_takes_complex_masks_and_the_residual(model: Model) -> None:
    song = noise(0.3).T
    options = SpectralOptions(wiener_iterations=1)
    stems = unmixcli.separate(song, RATE, model=model.folder, device="cpu", options=options)
    assert all(np.isfinite(stem).all() for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-5)


def test_mono_network_takes_each_channel_by_itself(tmp_path: Path) -> None:
    mono = saved(tmp_path / "mono", channels=1)
    session = unmixcli.load_model(mono.folder, device="cpu")
    song = noise(0.5).T
    both = unmixcli.separate(song, RATE, model=session)["drums"]
    left = unmixcli.separate(song[0], RATE, model=session)["drums"]
    np.testing.assert_allclose(both[0], left, atol=1e-6)


def without(*stems: str) -> list[str]:
    return [stem for stem in STEMS if stem not in stems]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"bins": 130}, "bins must be a multiple of 4 up to 257"),
        ({"bins": 260}, "bins must be a multiple of 4 up to 257"),
        ({"outputs": ["vocals", "drums", "piano"]}, "must be stems of"),
        ({"outputs": ["vocals", "drums", "drums"]}, "each once"),
        ({"outputs": without("bass")}, "the network gives no bass"),
        ({"outputs": list(STEMS)}, "do not fit the card: Error"),
        ({"network": {**NETWORK, "depth": 3}}, "parameters.network has no depth"),
        ({"network": {**NETWORK, "stems": 3}}, "leave stems to the card"),
        ({"network": {**NETWORK, "kernel": 1}}, "validation error"),
        ({"network": {**NETWORK, "filters": [4, 6, 8]}}, "do not fit the card"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        loaded(tmp_path / "wrong", **changes)


def test_chunks_that_the_network_cannot_take_are_refused(tmp_path: Path) -> None:
    card = saved(tmp_path / "uneven").folder / "model.toml"
    text = card.read_text()
    for wrong in ("multiple = 2", "multiple = 4\nfixed = false"):
        card.write_text(text.replace("multiple = 4", wrong))
        with pytest.raises(ModelError, match="with a multiple of 4"):
            load_model(find_model(str(card.parent)), device=CPU)


def test_chunks_may_be_uneven_where_frames_are_not_halved(tmp_path: Path) -> None:
    network = {**NETWORK, "time_strides": [1, 2]}
    ours = loaded(tmp_path / "strides", network=network)
    assert ours.network.config.multiples == (4, 2)
    card = tmp_path / "strides" / "model.toml"
    card.write_text(card.read_text().replace("multiple = 4", "multiple = 2"))
    assert load_model(find_model(str(card.parent)), device=CPU).settings.chunks.multiple == 2


def test_network_gives_all_stems_of_the_card_unless_told() -> None:
    parameters = {"bins": 128, "network": NETWORK}
    network = unet_stems.new_network(parameters, channels=1, stems=STEMS)
    assert (network.config.channels, network.config.stems) == (1, 4)
    assert network.config.filters == (4, 6)
    network = unet_stems.new_network(PARAMETERS, channels=2, stems=STEMS)
    assert (network.config.channels, network.config.stems) == (2, 3)


def test_single_stem_networks_come_from_the_same_parameters_as_their_card(
    small_model: Path,
) -> None:
    model = find_model(str(small_model))
    network = unet_masks.new_network(model.card.parameters, channels=2, stems=["vocals"])
    ours = load_model(model, device=CPU).networks["vocals"]
    assert network.config == ours.config
    network.load_state_dict(ours.state_dict())
    with pytest.raises(ValueError, match="one stem, not vocals, drums"):
        unet_masks.new_network(model.card.parameters, channels=2, stems=["vocals", "drums"])
    wrong = {**model.card.parameters, "network": {"depth": 3}}
    with pytest.raises(ValueError, match=r"parameters\.network has no depth"):
        unet_masks.new_network(wrong, channels=2, stems=["vocals"])
