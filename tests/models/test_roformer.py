"""Roformers: MSST's checkpoints load strictly and give what the package gives, chunk by chunk."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from bs_roformer import BSRoformer, MelBandRoformer
from torch import Tensor, nn

from unmixcli.errors import ModelError
from unmixcli.models.adapters.roformer_card import card_for, read_settings
from unmixcli.models.card import Card, Chunks
from unmixcli.models.catalogue import Model
from unmixcli.models.load import load_model
from unmixcli.models.waveform import WaveformModel
from unmixcli.separation.stems import Request, plan_outputs
from unmixcli.separation.waveform import WaveformOptions, WaveformSeparator

CPU = torch.device("cpu")
HOP = 128
CHUNK = 64 * HOP

SHARED = {
    "dim": 16,
    "depth": 2,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "dim_head": 8,
    "heads": 2,
    "stft_n_fft": 512,
    "stft_hop_length": HOP,
    "stft_win_length": 512,
    "stft_normalized": False,
    "mask_estimator_depth": 2,
}
MEL = {**SHARED, "num_bands": 12, "sample_rate": 44100}
SPLIT = {**SHARED, "freqs_per_bands": (2, 4, 8, 16, 32, 64, 131)}

YAML = """
audio:
  chunk_size: {chunk}
  num_channels: 2
  sample_rate: 44100

model:
{model}
  stereo: {stereo}
  num_stems: {stems}
  attn_dropout: 0.1
  ff_dropout: 0.1
  flash_attn: True
  dim_freqs_in: 1025
  multi_stft_resolution_loss_weight: 1.0
  multi_stft_resolutions_window_sizes: !!python/tuple
  - 4096
  - 256
  multi_stft_hop_size: 147
  multi_stft_normalized: False

training:
  batch_size: 4
  instruments: {instruments}
  target_instrument: {target}
  use_amp: true

inference:
  batch_size: 4
  num_overlap: 2
"""


def settings_text(
    sizes: dict[str, Any],
    *,
    stems: int = 1,
    stereo: bool = True,
    instruments: tuple[str, ...] = ("vocals", "other"),
    target: str | None = "vocals",
) -> str:
    """A YAML as MSST has them; tuples with Python's tag."""
    lines = []
    for key, value in sizes.items():
        if isinstance(value, tuple):
            lines += [f"  {key}: !!python/tuple", *(f"    - {entry}" for entry in value)]
        else:
            lines.append(f"  {key}: {value}")
    return YAML.format(
        chunk=CHUNK + 5,
        model="\n".join(lines),
        stereo=stereo,
        stems=stems,
        instruments=list(instruments),
        target=target or "null",
    )


def package_network(sizes: dict[str, Any], *, stems: int = 1, stereo: bool = True) -> nn.Module:
    """The package's network of random weights, without what MSST has not."""
    torch.manual_seed(0)
    options = {"num_stems": stems, "stereo": stereo, "num_residual_streams": 1, "flash_attn": False}
    if "num_bands" in sizes:
        linear = {"linear_transformer_depth": sizes.get("linear_transformer_depth", 0)}
        network = MelBandRoformer(**{**sizes, **options, **linear}, add_value_residual=False)
    else:
        network = BSRoformer(**sizes, **options)
    for module in network.modules():
        if hasattr(module, "to_value_residual_mix"):
            module.to_value_residual_mix = None
        if hasattr(module, "gamma"):
            nn.init.uniform_(module.gamma, 0.5, 1.5)
    return network.eval()


def as_msst(network: nn.Module) -> dict[str, Tensor]:
    """A state dict by MSST's names: no `branch`, and no place for what a layer has not."""
    state = {}
    for name, tensor in network.state_dict().items():
        head, *rest = name.replace(".branch.", ".").split(".")
        if head == "layers" and network.layers[0][0] is None:
            rest[1] = str(int(rest[1]) - 1)
        state[".".join((head, *rest))] = tensor.clone()
    return state


def write(folder: Path, sizes: dict[str, Any], state: object, **facts: Any) -> tuple[Path, Path]:
    """The two files of a model of MSST."""
    checkpoint, config = folder / "Some Model (v1).ckpt", folder / "config.yaml"
    torch.save(state, checkpoint)
    config.write_text(settings_text(sizes, **facts))
    return checkpoint, config


def made(folder: Path, checkpoint: Path, config: Path) -> Model:
    """The model as it is added: the checkpoint under the name that its card gives it."""
    card = card_for(checkpoint, config=config)
    checkpoint.rename(folder / card.files[0].name)
    return Model(card, folder)


def loaded(model: Model) -> WaveformModel:
    network = load_model(model, device=CPU)
    assert isinstance(network, WaveformModel)
    return network


def noise(samples: int, *, channels: int = 2) -> Tensor:
    return torch.rand((channels, samples), generator=torch.Generator().manual_seed(1)) - 0.5


@torch.no_grad()
def plain_loop(network: nn.Module, mix: Tensor, card: Card) -> Tensor:
    """One chunk after another, their ends thrown away and what is shared cross-faded."""
    length, context, overlap = card.chunks.length, card.chunks.context, card.chunks.overlap
    advance = length - 2 * context - overlap
    padded = torch.nn.functional.pad(mix, (context, 2 * length))
    total, weights = 0.0, torch.zeros(padded.shape[-1])
    fade = (torch.arange(overlap) + 0.5) / overlap
    for start in range(0, mix.shape[-1], advance):
        kept = network(padded[None, :, start : start + length])[0][..., context : length - context]
        window = torch.ones(kept.shape[-1])
        window[:overlap] = fade if start else 1
        window[-overlap:] = fade.flip(0)
        placed = torch.zeros(*kept.shape[:-1], padded.shape[-1])
        placed[..., start : start + kept.shape[-1]] = kept * window
        total = total + placed
        weights[start : start + kept.shape[-1]] += window
    return (total / weights.clamp_min(1e-9))[..., : mix.shape[-1]]


CASES = {
    "mel": MEL,
    "mel of another width": {**MEL, "mlp_expansion_factor": 2},
    "mel with linear transformers": {**MEL, "linear_transformer_depth": 1},
    "split": SPLIT,
}


@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES.keys())
def test_equals_the_package(tmp_path: Path, sizes: dict[str, Any]) -> None:
    theirs = {key: value for key, value in sizes.items() if key != "mlp_expansion_factor"}
    reference = package_network(theirs)
    if "mlp_expansion_factor" in sizes:
        narrow(reference, sizes["mlp_expansion_factor"])
    model = made(tmp_path, *write(tmp_path, sizes, as_msst(reference)))
    mix = noise(3 * CHUNK + 777)
    separator = WaveformSeparator(loaded(model), stems=["vocals"], options=WaveformOptions(batch=2))
    actual = torch.cat((separator.push(mix), separator.finish()), dim=-1)[0]
    expected = plain_loop(reference, mix, model.card)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def narrow(network: Any, factor: int) -> None:
    """Halve the hidden layers of the mask estimators, as `mlp_expansion_factor` would."""
    kind, dim = type(network.mask_estimators[0]), MEL["dim"]
    widths, depth = network.band_split.dim_inputs, MEL["mask_estimator_depth"]
    network.mask_estimators[0] = kind(dim, widths, depth, mlp_expansion_factor=factor)


@pytest.mark.parametrize("sizes", [MEL, SPLIT], ids=["mel", "split"])
def test_several_stems_of_one_channel(tmp_path: Path, sizes: dict[str, Any]) -> None:
    facts: dict[str, Any] = {"stems": 3, "stereo": False}
    reference = package_network(sizes, **facts)
    facts |= {"instruments": ("Drums", "Lead Vocals", "other"), "target": None}
    model = made(tmp_path, *write(tmp_path, sizes, as_msst(reference), **facts))
    assert model.card.stems == ("drums", "lead_vocals", "other")
    assert (model.card.residual, model.card.channels) == ("other", 1)
    mix = noise(CHUNK, channels=1)[None]
    with torch.no_grad():
        expected = reference(mix)
    actual = loaded(model).stems(mix, stems=["other", "drums"])
    torch.testing.assert_close(actual, expected[:, [2, 0]], atol=1e-4, rtol=0)


def test_blocks_of_any_length_give_the_same(tmp_path: Path) -> None:
    model = made(tmp_path, *write(tmp_path, MEL, as_msst(package_network(MEL))))
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    assert plan.computed == ("vocals",)
    mix, results = noise(2 * CHUNK + 99), []
    for size in (mix.shape[-1], 1000):
        separator = WaveformSeparator(loaded(model), stems=plan.computed)
        pushed = [separator.push(block) for block in mix.split(size, dim=-1)]
        results.append(torch.cat([*pushed, separator.finish()], dim=-1))
    assert torch.equal(results[0], results[1])


def test_the_rest_is_the_mix_minus_the_target(tmp_path: Path) -> None:
    model = made(tmp_path, *write(tmp_path, MEL, as_msst(package_network(MEL))))
    mix = noise(CHUNK)[None]
    stems = loaded(model).stems(mix, stems=["other", "vocals"])
    torch.testing.assert_close(stems.sum(1), mix)


@pytest.mark.parametrize("wrapper", ["state", "state_dict", "model_state_dict"])
def test_wrapped_checkpoints_load(tmp_path: Path, wrapper: str) -> None:
    state = {name: tensor.half() for name, tensor in as_msst(package_network(SPLIT)).items()}
    model = made(tmp_path, *write(tmp_path, SPLIT, {wrapper: state, "epoch": 3}))
    assert loaded(model).stems(noise(CHUNK)[None], stems=["vocals"]).dtype == torch.float32


def test_the_card_of_a_checkpoint(tmp_path: Path) -> None:
    checkpoint, config = write(tmp_path, SPLIT, as_msst(package_network(SPLIT)))
    card = card_for(checkpoint, config=config)
    assert (card.name, card.files[0].name) == ("some-model-v1", "Some-Model-v1-.ckpt")
    assert card.files[0].sha256 == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (card.stems, card.residual) == (("vocals", "other"), "other")
    assert card.parameters["network"]["freqs_per_bands"] == list(SPLIT["freqs_per_bands"])
    # The YAML's chunk is no multiple of the hop.
    assert (card.chunks.length, card.chunks.multiple) == (CHUNK, HOP)
    assert card.extra == "roformer"


REFUSED = {
    "skips": ({**MEL, "skip_connection": True}, {}, "skip_connection"),
    "linear transformers": ({**SPLIT, "linear_transformer_depth": 1}, {}, "linear_transformer"),
    "an unknown setting": ({**MEL, "use_pope": True}, {}, "use_pope"),
    "no size": ({k: v for k, v in MEL.items() if k != "dim"}, {}, "dim: Field required"),
    "stems": (MEL, {"stems": 2}, "num_stems is 2"),
}


@pytest.mark.parametrize(("sizes", "facts", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_networks_that_are_not_known(
    tmp_path: Path, sizes: dict[str, Any], facts: dict[str, Any], message: str
) -> None:
    checkpoint, config = write(tmp_path, sizes, {}, **facts)
    with pytest.raises(ModelError, match=re.escape(message)) as caught:
        card_for(checkpoint, config=config)
    assert "\n" not in str(caught.value)


def test_a_yaml_runs_no_code(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    trace = tmp_path / "ran"
    config.write_text(f'model: !!python/object/apply:os.mkdir ["{trace}"]\n')
    with pytest.raises(ModelError, match="cannot be read as settings of MSST"):
        read_settings(config)
    assert not trace.exists()
    yaml.unsafe_load(config.read_text())
    assert trace.exists()


def test_tuples_of_python_are_read(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("model:\n  bands: !!python/tuple\n  - 1\n  - 2\n")
    assert read_settings(config) == {"model": {"bands": [1, 2]}}


@pytest.mark.parametrize("text", ["", "- 1", "model: 3", "model: {num_bands: 3}"])
def test_other_yaml_is_refused(tmp_path: Path, text: str) -> None:
    checkpoint, config = write(tmp_path, MEL, {})
    config.write_text(text)
    with pytest.raises(ModelError, match=re.escape(str(config))):
        card_for(checkpoint, config=config)


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    state = as_msst(package_network(MEL))
    lacking = {name: tensor for name, tensor in state.items() if "to_gates" not in name}
    other = {**state, "band_split.to_features.0.1.bias": torch.zeros(3)}
    more = {**state, "layers.0.0.layers.0.0.value_mix.weight": torch.zeros(3)}
    expected = {"has no": lacking, r"as \(3,\), the network as \(16,\)": other, "besides": more}
    for message, content in expected.items():
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        model = made(folder, *write(folder, MEL, content))
        with pytest.raises(ModelError, match=message):
            load_model(model, device=CPU)


@pytest.mark.parametrize("chunks", [{"length": CHUNK + 1}, {"length": CHUNK, "multiple": 64}])
def test_chunks_that_are_no_hops(tmp_path: Path, chunks: dict[str, int]) -> None:
    model = made(tmp_path, *write(tmp_path, MEL, as_msst(package_network(MEL))))
    card = model.card.model_copy(update={"chunks": Chunks(**chunks)})
    with pytest.raises(ModelError, match="multiples of 128"):
        load_model(Model(card, tmp_path), device=CPU)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_arbitrary_pickles_fail(tmp_path: Path) -> None:
    model = made(tmp_path, *write(tmp_path, MEL, {"state": {"final_norm.gamma": Evil()}}))
    with pytest.raises(ModelError, match="holds more than tensors"):
        load_model(model, device=CPU)
