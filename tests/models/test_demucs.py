"""The Demucs adapter: its own files load strictly, and the engine equals `apply_model`."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.hf import load_safetensors_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import unmixcli
from demucs_for_tests import (
    CHUNK,
    RATE,
    SOURCES,
    STEMS,
    hdemucs,
    htdemucs,
    model_folder,
    save_as_on_the_hub,
)
from unmixcli.errors import ModelError, UsageError
from unmixcli.models.adapters import demucs as adapter
from unmixcli.models.catalogue import Model
from unmixcli.models.load import load_model
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.waveform import WaveformOptions, WaveformSeparator

CPU = torch.device("cpu")
TOLERANCE = 1e-4

# Shorter than a chunk, a chunk, a last chunk of shared samples alone, odd, several chunks.
LENGTHS = (1, 4001, CHUNK, CHUNK + 101, 2 * CHUNK + 1, 50021)


def noise(samples: int, channels: int = 2) -> Tensor:
    return torch.rand((channels, samples), generator=torch.Generator().manual_seed(samples)) - 0.5


def ours(model: Model, mix: Tensor, *, stems: Any = STEMS, **options: Any) -> Tensor:
    network = load_model(model, device=CPU)
    separator = WaveformSeparator(network, stems=stems, options=WaveformOptions(**options))
    parts = [separator.push(block) for block in mix.split(3001, dim=-1)]
    return torch.cat([*parts, separator.finish()], dim=-1)


def theirs(model: nn.Module, mix: Tensor, *, stems: Any = STEMS, **options: Any) -> Tensor:
    with torch.no_grad():
        sources = apply_model(model, mix[None], **{"shifts": 0, "overlap": 0.25, **options})[0]
    return sources[[SOURCES.index(stem) for stem in stems]]


@pytest.fixture(scope="module", params=["htdemucs", "hdemucs"])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Each kind of network, saved."""
    network = {"htdemucs": htdemucs, "hdemucs": hdemucs}[request.param]()
    return model_folder(tmp_path_factory.mktemp(request.param) / "model", {"all": network})


def reference(model: Model) -> nn.Module:
    """The same file, as its own package loads it."""
    return load_safetensors_model(model.folder / "all.safetensors")


@pytest.mark.parametrize("samples", LENGTHS)
def test_the_engine_gives_what_apply_model_gives(published: Model, samples: int) -> None:
    mix = noise(samples)
    expected = theirs(reference(published), mix)
    assert expected.abs().max() > TOLERANCE
    torch.testing.assert_close(ours(published, mix), expected, atol=TOLERANCE, rtol=0)


def test_another_overlap_is_that_of_apply_model(published: Model) -> None:
    mix = noise(40000)
    expected = theirs(reference(published), mix, overlap=0.5)
    torch.testing.assert_close(ours(published, mix, overlap=0.5), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("shifts", [1, 2])
def test_seeded_shifts_are_those_of_apply_model(
    published: Model, shifts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = noise(30001)
    monkeypatch.setattr("demucs.apply.random", random.Random(7))
    expected = theirs(reference(published), mix, shifts=shifts)
    shifted = ours(published, mix, shifts=shifts, seed=7)
    torch.testing.assert_close(shifted, expected, atol=TOLERANCE, rtol=0)
    assert (shifted - ours(published, mix)).abs().max() > 10 * TOLERANCE


BAG = {
    "first": {"drums": 1.0, "bass": 2.0, "other": 1.0, "vocals": 0.5},
    "second": {"drums": 3.0, "bass": 0.0, "other": 1.0, "vocals": 1.0},
}


def test_a_bag_is_the_weighted_mean_of_apply_model(tmp_path: Path) -> None:
    networks = {"first": htdemucs(1), "second": htdemucs(2)}
    model = model_folder(tmp_path / "bag", networks, weights=BAG)
    rows = [[BAG[role][source] for source in SOURCES] for role in networks]
    mix = noise(30001)
    expected = theirs(BagOfModels(list(networks.values()), rows), mix)
    torch.testing.assert_close(ours(model, mix), expected, atol=TOLERANCE, rtol=0)


def test_without_weights_a_bag_is_the_plain_mean(tmp_path: Path) -> None:
    networks = {"first": hdemucs(1), "second": hdemucs(2)}
    model = model_folder(tmp_path / "bag", networks)
    mix = noise(15001)
    expected = theirs(BagOfModels(list(networks.values())), mix)
    torch.testing.assert_close(ours(model, mix), expected, atol=TOLERANCE, rtol=0)


def test_only_networks_that_count_for_a_stem_run(tmp_path: Path) -> None:
    networks = {stem: htdemucs(seed) for seed, stem in enumerate(SOURCES)}
    weights = {stem: {stem: 1.0} for stem in SOURCES}
    session = unmixcli.load_model(
        model_folder(tmp_path / "fine-tuned", networks, weights=weights).folder,
        stems=["vocals"],
        device="cpu",
    )
    ran = []
    for stem, network in session.network.networks.items():
        network.register_forward_hook(lambda *_, stem=stem: ran.append(stem))
    mix = noise(CHUNK)
    found = unmixcli.separate(mix.numpy(), sample_rate=RATE, model=session)
    assert set(ran) == {"vocals"}
    expected = theirs(networks["vocals"], mix, stems=["vocals"])[0]
    torch.testing.assert_close(torch.from_numpy(found["vocals"]), expected, atol=1e-4, rtol=0)


def test_mono_is_both_channels_alike(published: Model) -> None:
    mix = noise(20011, channels=1)
    found = unmixcli.separate(mix.numpy(), sample_rate=RATE, model=published.folder, device="cpu")
    expected = theirs(reference(published), mix.expand(2, -1)).mean(dim=1, keepdim=True)
    for stem, samples in zip(STEMS, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(found[stem]), samples, atol=1e-4, rtol=0)


def test_the_deviation_of_the_track_changes_next_to_nothing(published: Model) -> None:
    mix = 0.2 * noise(30001)
    mix = mix - mix.mean()
    deviation = mix.mean(0).std()
    expected = theirs(reference(published), mix / deviation) * deviation
    level = expected.square().mean().sqrt()
    assert (ours(published, mix) - expected).square().mean().sqrt() < 2e-5 * level


def test_half_precision_stays_near(published: Model) -> None:
    mix = noise(20000)
    whole, half = ours(published, mix), ours(published, mix, half="bf16")
    assert half.dtype == torch.float32
    assert 0 < (half - whole).square().mean().sqrt() < 0.05 * whole.square().mean().sqrt()


def test_half_precision_files_load_as_full(tmp_path: Path) -> None:
    network = htdemucs()
    save_as_on_the_hub(network.half(), tmp_path / "half.safetensors")
    loaded = adapter.read_network(tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}


def test_loading_draws_no_random_numbers(published: Model) -> None:
    before = torch.random.get_rng_state()
    load_model(published, device=CPU)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_arguments_that_demucs_no_longer_has_are_dropped(tmp_path: Path) -> None:
    network: Any = htdemucs()
    network._init_args_kwargs[1]["long_gone"] = 1
    save_as_on_the_hub(network, tmp_path / "old.safetensors")
    assert len(adapter.read_network(tmp_path / "old.safetensors").state_dict()) > 0


def test_a_tensor_too_few_is_refused(published: Model, tmp_path: Path) -> None:
    path = published.folder / "all.safetensors"
    state = load_file(path)
    state.pop(next(iter(state)))
    network = reference(published)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(network), "state_dict", lambda self: state)
        broken = model_folder(tmp_path / "broken", {"all": network})
    with pytest.raises(ModelError, match="do not fit the card"):
        load_model(broken, device=CPU)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"klass": "os.system"}, "names os.system, not one of"),
        ({"klass": "demucs.demucs.Demucs"}, "names demucs.demucs.Demucs"),
        ({"structure": "{}"}, "is quantised"),
    ],
)
def test_files_that_are_not_understood_are_refused(
    tmp_path: Path, metadata: dict[str, str], said: str
) -> None:
    path = tmp_path / "strange.safetensors"
    save_as_on_the_hub(htdemucs(), path, **metadata)
    with pytest.raises(ValueError, match=said):
        adapter.read_network(path)
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="names no class"):
        adapter.read_network(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"length": CHUNK - 30}, f"the networks take {CHUNK}"),
        ({"stems": ("vocals", "guitar")}, "has no guitar"),
        ({"weights": {"elsewhere": {"vocals": 1.0}}}, "must name the roles all"),
        ({"weights": {"all": {"vocals": 1.0}}}, "no network counts for drums, bass, other"),
        ({"weights": {"all": {"kazoo": 1.0}}}, "has no kazoo to weigh"),
    ],
)
def test_cards_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    model = model_folder(tmp_path / "wrong", {"all": htdemucs()}, **changes)
    with pytest.raises(ModelError, match=said):
        load_model(model, device=CPU)


def test_a_bag_of_both_kinds_is_refused(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "mixed", {"first": htdemucs(), "second": hdemucs()})
    with pytest.raises(ModelError, match="the networks take"):
        load_model(model, device=CPU)


def test_a_missing_package_is_named_with_what_to_type(
    published: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "demucs"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, adapter.__name__)
    monkeypatch.setitem(sys.modules, "demucs", None)
    with pytest.raises(ModelError, match=r"needs the package demucs.*'unmixcli\[demucs\]'"):
        load_model(published, device=CPU)


def test_options_of_the_other_kind_are_refused(published: Model) -> None:
    with pytest.raises(UsageError, match="--wiener 1: small-demucs gives samples"):
        unmixcli.load_model(
            published.folder, device="cpu", options=SpectralOptions(wiener_iterations=1)
        )
    with pytest.raises(UsageError, match="--shifts -1"):
        unmixcli.load_model(published.folder, device="cpu", options=WaveformOptions(shifts=-1))
    with pytest.raises(UsageError, match=r"--overlap 0\.6"):
        unmixcli.load_model(published.folder, device="cpu", options=SpectralOptions(overlap=0.6))
