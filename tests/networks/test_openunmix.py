"""Open-Unmix: parity with the openunmix package, its state dicts, its batch norms."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from unmixcli.dsp.wiener import WienerStream
from unmixcli.networks.openunmix import OpenUnmix, published_state

# The settings under the names of both packages.
SIZES: dict[str, dict[str, int | bool]] = {
    "stereo": {"nb_bins": 65, "hidden_size": 32, "max_bin": 40},
    "mono": {"nb_bins": 33, "nb_channels": 1, "hidden_size": 16},
    "three channels": {"nb_bins": 17, "nb_channels": 3, "hidden_size": 8, "max_bin": 17},
    "causal": {"nb_bins": 33, "hidden_size": 15, "unidirectional": True},
    "one layer": {"nb_bins": 33, "hidden_size": 16, "nb_layers": 1},
}


def randomised(network: nn.Module, *, seed: int = 0) -> nn.Module:
    """Random weights and statistics, of a size that keeps the mask about 1."""
    rng = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        spread = torch.rand(value.shape, generator=rng)
        positive = name.endswith(("running_var", "scale"))
        is_small = "lstm" in name or name.startswith("fc")
        scale = 4 / value.shape[-1] ** 0.5 if is_small else 1.0
        value.copy_(spread + 0.5 if positive else (spread - 0.5) * scale)
    return network.eval()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pair(module: ModuleType, sizes: Mapping[str, int | bool]) -> tuple[OpenUnmix, nn.Module]:
    """Our network and the reference with the same weights."""
    theirs = randomised(module.OpenUnmix(**sizes))
    ours = OpenUnmix(**sizes)
    ours.load_state_dict(published_state(theirs.state_dict()), strict=True)
    return ours.eval(), theirs


@pytest.mark.parametrize("frames", [1, 50])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_equals_the_openunmix_package(
    openunmix_model: ModuleType, sizes: Mapping[str, int | bool], batch: int, frames: int
) -> None:
    ours, theirs = pair(openunmix_model, sizes)
    magnitudes = noise(batch, int(sizes.get("nb_channels", 2)), int(sizes["nb_bins"]), frames)
    with torch.no_grad():
        expected = theirs(magnitudes)
        actual = ours(magnitudes)
    assert (expected == 0).any()
    assert expected.std() > 0.1
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_equals_the_openunmix_package_at_the_published_size(openunmix_model: ModuleType) -> None:
    ours, theirs = pair(openunmix_model, {"nb_bins": 2049, "max_bin": 1487})
    magnitudes = noise(2, 2, 2049, 20)
    with torch.inference_mode():
        torch.testing.assert_close(ours(magnitudes), theirs(magnitudes), rtol=1e-5, atol=1e-5)


def test_equals_the_openunmix_package_in_training(openunmix_model: ModuleType) -> None:
    sizes = {"nb_bins": 33, "hidden_size": 16, "nb_layers": 1}
    ours, theirs = pair(openunmix_model, sizes)
    magnitudes = noise(4, 2, 33, 20)
    for network in (ours.train(), theirs.train()):
        network(magnitudes).square().mean().backward()
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-3, atol=1e-5)
    expected_state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected_state[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ({"nb_bins": 2049, "max_bin": 1487}, 8_893_348),
        ({"nb_bins": 2049, "max_bin": 1487, "hidden_size": 1024}, 28_257_188),
        ({"nb_bins": 513, "max_bin": 513, "nb_channels": 1, "hidden_size": 256}, 1_583_622),
    ],
    ids=["umxhq", "umxl", "umxse"],
)
def test_published_numbers_of_parameters(sizes: dict[str, int], parameters: int) -> None:
    with torch.device("meta"):
        network = OpenUnmix(**sizes)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_published_layout() -> None:
    with torch.device("meta"):
        state = OpenUnmix(2049, max_bin=1487).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes["input_mean"] == shapes["input_scale"] == (1487,)
    assert shapes["output_mean"] == shapes["output_scale"] == (2049,)
    assert shapes["fc1.weight"] == (512, 2974)
    assert shapes["lstm.weight_ih_l2_reverse"] == (1024, 512)
    assert shapes["lstm.weight_hh_l0"] == (1024, 256)
    assert shapes["fc2.weight"] == (512, 1024)
    assert shapes["fc3.weight"] == (4098, 512)
    assert shapes["bn3.running_var"] == (4098,)
    assert len(shapes) == 4 + 3 + 3 * 5 + 3 * 2 * 4


def test_legacy_keys_are_dropped_and_no_others() -> None:
    network = OpenUnmix(9, hidden_size=4)
    state = network.state_dict()
    legacy = {key: torch.zeros(1) for key in ("sample_rate", "stft.window", "transform.0.window")}
    given = {**state, **legacy}
    network.load_state_dict(published_state(given), strict=True)
    assert len(given) == len(state) + 3
    for foreign in ("stft.window2", "transform.1.window", "fc4.weight"):
        with pytest.raises(RuntimeError, match="Unexpected key"):
            network.load_state_dict(published_state({**given, foreign: torch.zeros(1)}))
    del given["bn3.running_mean"]
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict(published_state(given))


def test_a_fresh_evaluation_uses_the_current_weights() -> None:
    network = randomised(OpenUnmix(9, hidden_size=4))
    magnitudes = noise(1, 2, 9, 5)
    before = network(magnitudes)
    with torch.no_grad():
        network.bn3.running_mean += 10
    assert not torch.allclose(network(magnitudes), before)


def test_elements_of_a_batch_are_separated_by_themselves() -> None:
    network = randomised(OpenUnmix(33, hidden_size=16))
    magnitudes = noise(4, 2, 33, 20)
    with torch.no_grad():
        together = network(magnitudes)
        for element in range(4):
            alone = network(magnitudes[element : element + 1])
            torch.testing.assert_close(together[element : element + 1], alone)


@pytest.mark.parametrize("grad", [False, True])
def test_the_input_is_left_alone(grad: bool) -> None:
    network = randomised(OpenUnmix(33, hidden_size=16))
    magnitudes = noise(2, 2, 33, 20)
    copy = magnitudes.clone()
    with torch.set_grad_enabled(grad):
        network(magnitudes)
    assert torch.equal(magnitudes, copy)


def test_any_memory_layout_will_do() -> None:
    network = randomised(OpenUnmix(33, hidden_size=16))
    magnitudes = noise(2, 2, 33, 20)
    for axes in ((3, 0, 1, 2), (0, 3, 2, 1)):
        back = [axes.index(axis) for axis in range(4)]
        permuted = magnitudes.permute(axes).contiguous().permute(back)
        torch.testing.assert_close(network(permuted), network(magnitudes))


def test_silence_stays_silent() -> None:
    network = randomised(OpenUnmix(33, hidden_size=16))
    assert torch.equal(network(torch.zeros(1, 2, 33, 8)), torch.zeros(1, 2, 33, 8))


@pytest.mark.parametrize(
    "sizes",
    [
        {"nb_bins": 0},
        {"nb_bins": 9, "max_bin": 10},
        {"nb_bins": 9, "max_bin": 0},
        {"nb_bins": 9, "hidden_size": 5},
        {"nb_bins": 9, "nb_layers": 0},
    ],
)
def test_sizes_are_checked(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"max_bin|hidden_size"):
        OpenUnmix(**sizes)


def test_equals_the_separator_of_the_openunmix_package(openunmix_model: ModuleType) -> None:
    sizes = {"nb_bins": 2049, "max_bin": 1487, "hidden_size": 16}
    names = ("vocals", "drums", "bass", "other")
    theirs = {
        name: randomised(openunmix_model.OpenUnmix(**sizes), seed=seed)
        for seed, name in enumerate(names)
    }
    # More than one window of 300 frames.
    audio = noise(1, 2, 8 * 44100 + 123) - 0.5
    with torch.no_grad():
        separator = openunmix_model.Separator(theirs, niter=1, wiener_win_len=300).eval()
        expected = separator(audio)[0]
        actual = _separated([_ours(sizes, network) for network in theirs.values()], audio[0])
    assert expected.shape == (4, 2, audio.shape[-1])
    assert float((actual - expected).abs().max()) < 1e-3 * float(expected.abs().max())


def _ours(sizes: Mapping[str, int], theirs: nn.Module) -> OpenUnmix:
    network = OpenUnmix(**sizes)
    network.load_state_dict(published_state(theirs.state_dict()), strict=True)
    return network.eval()


def _separated(networks: list[OpenUnmix], audio: Tensor) -> Tensor:
    """STFT, networks, Wiener filter in windows of 300 frames, inverse STFT."""
    window = torch.hann_window(4096)
    mix = torch.stft(audio, 4096, 1024, window=window, return_complex=True, pad_mode="reflect")
    assert mix.shape[-1] > 300
    magnitudes = torch.cat([network(mix.abs()[None]) for network in networks])
    stream = WienerStream(window_frames=300, iterations=1, eps=1e-10)
    stems = torch.cat([stream.push(magnitudes, mix), stream.finish()], dim=-1)
    samples = torch.istft(stems.flatten(0, 1), 4096, 1024, window=window, length=audio.shape[-1])
    return samples.unflatten(0, stems.shape[:2])
