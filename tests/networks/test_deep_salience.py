"""Deep Salience, layer by layer, against the definition in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import correlate2d
from torch import nn

from unmixcli.networks.deep_salience import DeepSalience, DeepSalienceConfig

Array = NDArray[np.float64]

# An even kernel, a tall one with few outputs, bins that are no multiple of eight.
SMALL = DeepSalienceConfig(
    harmonics=3, filters=(9, 4, 3, 1), kernels=((5, 5), (4, 3), (12, 3), (1, 1))
)


def random_network(config: DeepSalienceConfig, seed: int = 0) -> DeepSalience:
    torch.manual_seed(seed)
    network = DeepSalience(config).eval().requires_grad_(False)
    for norm in network.norms:
        for values in (norm.weight, norm.running_var):
            values.uniform_(0.5, 2.0)
        for values in (norm.bias, norm.running_mean):
            values.normal_()
    return network


def by_hand(network: DeepSalience, hcqt: Array) -> list[Array]:
    """What each layer gives: normalised, padded with zeros, correlated, rectified."""
    values, given = hcqt, []
    last = len(network.norms) - 1
    for number, (norm, layer) in enumerate(zip(network.norms, network.convolutions, strict=True)):
        state = {name: tensor.double().numpy() for name, tensor in norm.state_dict().items()}
        scale = state["weight"] / np.sqrt(state["running_var"] + 1e-3)
        shift = state["bias"] - state["running_mean"] * scale
        values = values * scale[:, None, None] + shift[:, None, None]
        kernels = layer.weight.double().numpy()
        height, width = kernels.shape[2:]
        sides = (((height - 1) // 2, height // 2), ((width - 1) // 2, width // 2))
        padded = np.pad(values, ((0, 0), *sides))
        values = np.stack(
            [
                sum(map(lambda x, k: correlate2d(x, k, "valid"), padded, kernel))
                for kernel in kernels
            ]
        ) + layer.bias.double().numpy().reshape(-1, 1, 1)
        values = 1 / (1 + np.exp(-values)) if number == last else np.maximum(values, 0)
        given.append(values)
    return given


@pytest.mark.parametrize("bins", [21, 24])
def test_every_layer_is_the_definition(bins: int) -> None:
    network = random_network(SMALL)
    hcqt = torch.rand(3, bins, 13)
    expected = by_hand(network, hcqt.double().numpy())
    values = hcqt[None]
    for number, (norm, layer) in enumerate(zip(network.norms, network.convolutions, strict=True)):
        values = layer(norm(values))
        values = values.sigmoid() if number == 3 else values.relu()
        np.testing.assert_allclose(values[0].numpy(), expected[number], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network(hcqt[None]), values.squeeze(1))


def test_the_tall_layer_is_the_plain_convolution() -> None:
    """Eight bins a step against torch's own convolution, in the published size."""
    torch.manual_seed(1)
    tall = DeepSalience().convolutions[4]
    plain = nn.Conv2d(64, 8, (70, 3))
    plain.load_state_dict(tall.state_dict())
    values = torch.randn(2, 64, 90, 5)
    with torch.no_grad():
        expected = plain(nn.functional.pad(values, (1, 1, 34, 35)))
        torch.testing.assert_close(tall(values), expected, atol=1e-5, rtol=1e-5)


def test_the_published_size() -> None:
    config = DeepSalienceConfig()
    assert config.context_frames == 7
    assert sum(p.numel() for p in DeepSalience(config).parameters()) == 406_253


def test_seven_frames_decide() -> None:
    """Eight frames away nothing changes, seven away something does."""
    network = random_network(DeepSalienceConfig(filters=(4, 4, 4, 4, 2, 1)))
    hcqt = torch.rand(1, 6, 72, 21)
    changed = hcqt.clone()
    changed[..., 10] = 0
    differs = (network(hcqt) != network(changed)).any(dim=1)[0]
    assert differs[3:18].all()
    assert not differs[:3].any()
    assert not differs[18:].any()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        DeepSalienceConfig(filters=(8, 1))
