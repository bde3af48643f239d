from __future__ import annotations

import pytest
import torch
from torch import nn

from unmixcli.networks.mad_twinnet import MaDTwinNet, MaDTwinNetConfig, Twin

SMALL = MaDTwinNetConfig(bins=17, seen=9, context=3, hidden=6)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        network, twin = MaDTwinNet(MaDTwinNetConfig()), Twin(MaDTwinNetConfig())
    assert parameters(network) == 27_195_538
    assert parameters(network) + parameters(twin) == 45_755_923


@pytest.fixture
def network() -> MaDTwinNet:
    torch.manual_seed(0)
    return MaDTwinNet(SMALL)


def test_the_mask_is_not_negative_and_without_context(network) -> None:
    mask = network(torch.rand(2, 17, 20))
    assert mask.shape == (2, 17, 14)
    assert mask.min() >= 0
    assert mask.max() > 0


def test_the_twin_changes_nothing_of_the_result(network) -> None:
    magnitudes = torch.rand(2, 17, 20)
    stages = Twin(SMALL)(network, magnitudes)
    assert torch.equal(stages.denoiser, network(magnitudes))
    assert stages.masker.shape == stages.twin.shape == stages.denoiser.shape
    assert stages.distance > 0


def test_the_denoiser_filters_what_the_masker_lets_through(network) -> None:
    magnitudes = torch.rand(1, 17, 20)
    stages = Twin(SMALL)(network, magnitudes)
    inner = magnitudes[..., 3:-3]
    heard = (stages.masker * inner).transpose(1, 2)
    first, _, second, _ = network.denoiser
    expected = torch.relu(second(torch.relu(first(heard)))) * heard
    torch.testing.assert_close(stages.denoiser * inner, expected.transpose(1, 2))


def test_the_twin_runs_backwards_in_time_alone(network) -> None:
    """Its first frame depends on the last ones; with time turned round it is the decoder."""
    twin = Twin(SMALL)
    twin.decoder.load_state_dict(network.decoder.state_dict())
    twin.mask.load_state_dict(network.mask.state_dict())
    encoded = torch.randn(1, 8, 18)
    network.encoded = lambda magnitudes: encoded  # type: ignore[method-assign]
    forwards = Twin.forward(twin, network, torch.rand(1, 17, 14))
    network.encoded = lambda magnitudes: encoded.flip(1)  # type: ignore[method-assign]
    backwards = Twin.forward(twin, network, torch.rand(1, 17, 14))
    torch.testing.assert_close(forwards.twin, backwards.masker.flip(-1))


def test_context_is_read(network) -> None:
    magnitudes = torch.rand(1, 17, 20)
    changed = magnitudes.clone()
    changed[..., -1] += 1
    assert not torch.equal(network(magnitudes), network(changed))


def test_bins_above_are_masked_but_not_read_by_the_masker(network) -> None:
    magnitudes = torch.rand(1, 17, 20)
    changed = magnitudes.clone()
    changed[:, 9:] += 1
    twin = Twin(SMALL)
    assert torch.equal(twin(network, magnitudes).masker, twin(network, changed).masker)
    assert not torch.equal(network(magnitudes), network(changed))


def test_every_parameter_learns(network) -> None:
    twin = Twin(SMALL)
    stages = twin(network, torch.rand(2, 17, 20))
    (stages.denoiser.sum() + stages.twin.sum() + stages.distance).backward()
    for module in (network, twin):
        assert all(p.grad is not None for p in module.parameters())


def test_a_narrow_network_is_small() -> None:
    with torch.device("meta"):
        network = MaDTwinNet(MaDTwinNetConfig(width=192, hidden=256))
    assert parameters(network) < 5_000_000


@pytest.mark.parametrize(
    ("shape", "message"), [((1, 16, 20), "17"), ((1, 17, 6), "context"), ((17, 20), "17")]
)
def test_wrong_shapes(network, shape, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(torch.rand(shape))


@pytest.mark.parametrize("wrong", [{"seen": 0}, {"seen": 18}, {"width": -1}, {"context": -1}])
def test_wrong_settings(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MaDTwinNetConfig(**{"bins": 17, "seen": 9, **wrong})
