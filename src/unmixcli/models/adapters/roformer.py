"""Band-split and mel-band Roformers: networks of the package BS-RoFormer, checkpoints of MSST.

Most public Roformers (Lu et al., "Music Source Separation with Band-Split RoPE Transformer", 2023;
Wang et al., "Mel-Band RoFormer for Music Source Separation", 2023) were trained with the program
Music-Source-Separation-Training, MSST for short, which leaves a YAML of settings and a state dict.
The package has gone on since: what it has added (residual streams, value residuals) is left out
here, and the names in state dicts become those that it has now.

The YAML is read once, by `roformer_card`; the card then holds its settings.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from bs_roformer.bs_roformer import DEFAULT_FREQS_PER_BANDS, BSRoformer
from bs_roformer.mel_band_roformer import MelBandRoformer
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from unmixcli.models.card import Card
from unmixcli.models.waveform import WaveformModel, WaveformSettings

_WRAPPERS = ("state", "state_dict", "model", "model_state_dict")
_PACKAGE_EXPANSION = 4


class _Sizes(BaseModel):
    """What both networks have, by MSST's names and with its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim: int = Field(gt=0)
    depth: int = Field(gt=0)
    time_transformer_depth: int = 2
    freq_transformer_depth: int = 2
    dim_head: int = 64
    heads: int = 8
    stft_n_fft: int = 2048
    stft_hop_length: int = 512
    stft_win_length: int = 2048
    stft_normalized: bool = False
    mlp_expansion_factor: int = _PACKAGE_EXPANSION
    # MSST's sum of all layers' outputs, which the package has not.
    skip_connection: Literal[False] = False

    def arguments(self) -> dict[str, Any]:
        """Those of the package's class."""
        return self.model_dump(exclude={"mlp_expansion_factor", "skip_connection"})


class BandSplitSizes(_Sizes):
    """The settings of a band-split Roformer."""

    freqs_per_bands: tuple[int, ...] = DEFAULT_FREQS_PER_BANDS
    mask_estimator_depth: int = 2
    # The package's class has none.
    linear_transformer_depth: Literal[0] = 0

    def arguments(self) -> dict[str, Any]:
        """Those of the package's class."""
        return {k: v for k, v in super().arguments().items() if k != "linear_transformer_depth"}


class MelBandSizes(_Sizes):
    """The settings of a mel-band Roformer."""

    num_bands: int = 60
    sample_rate: int = 44100
    mask_estimator_depth: int = 1
    linear_transformer_depth: int = 0


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        bands: which of the two networks.
        outputs: stems that the network gives, in its order; None means all of the card's.
        network: fields of `BandSplitSizes` or `MelBandSizes`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bands: Literal["split", "mel"]
    outputs: tuple[str, ...] | None = None
    network: dict[str, Any]

    @property
    def sizes(self) -> BandSplitSizes | MelBandSizes:
        """The network's settings.

        Raises:
            ValueError: for one that is unknown or out of range.
        """
        kind = BandSplitSizes if self.bands == "split" else MelBandSizes
        return kind.model_validate(self.network)


class Roformer(WaveformModel):
    """One network for all stems.

    Raises:
        ValueError: if chunks or stems of `settings` do not fit.
    """

    def __init__(
        self, settings: WaveformSettings, network: nn.Module, *, outputs: Sequence[str], hop: int
    ) -> None:
        super().__init__()
        chunks = settings.chunks
        # What is left over by the hops, the package drops.
        if chunks.length % hop or chunks.multiple % hop or not chunks.fixed:
            raise ValueError(f"chunks must be fixed, length and multiple multiples of {hop}")
        left = set(settings.stems) - set(outputs)
        if not set(outputs) <= set(settings.stems) or len(left) > 1:
            raise ValueError(f"outputs {tuple(outputs)} must be {settings.stems}, or all but one")
        self.settings = settings
        self.network = network
        self.outputs = tuple(outputs)

    def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return stems; one that the network does not give is the mix minus those it gives."""
        given = self.network(mix)
        given = given.unsqueeze(1) if given.dim() == mix.dim() else given
        by_name = dict(zip(self.outputs, given.unbind(1), strict=True))
        rest = [stem for stem in stems if stem not in by_name]
        by_name.update({stem: mix - given.sum(dim=1) for stem in rest})
        return torch.stack([by_name[stem] for stem in stems], dim=1)


class TorchAttention(nn.Module):
    """Attention by the kernel that torch chooses.

    The package's own chooses by calls that torch has deprecated, and prints what it found.

    Args:
        scale: of the products; None is one over the square root of the features.
    """

    def __init__(self, scale: float | None) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend; all are `(batch, heads, steps, features)`."""
        return F.scaled_dot_product_attention(queries, keys, values, scale=self.scale)


def build(card: Card, paths: Mapping[str, Path], settings: WaveformSettings) -> Roformer:
    """Build the network of a card and load MSST's weights, the file of role "all"."""
    parameters = Parameters.model_validate(card.parameters)
    sizes = parameters.sizes
    outputs = parameters.outputs or card.stems
    network = new_network(sizes, channels=card.channels, stems=len(outputs))
    state = dict(_package_names(_read_state(paths["all"]), sizes))
    _compare(network.state_dict(), state, name=paths["all"].name)
    network.load_state_dict(state, strict=True, assign=True)
    return Roformer(settings, network, outputs=outputs, hop=sizes.stft_hop_length)


def new_network(sizes: BandSplitSizes | MelBandSizes, *, channels: int, stems: int) -> nn.Module:
    """The package's network as MSST has it, untrained."""
    shared = {
        **sizes.arguments(),
        "stereo": channels == 2,
        "num_stems": stems,
        "num_residual_streams": 1,
        "flash_attn": False,
    }
    network: nn.Module
    if isinstance(sizes, BandSplitSizes):
        with warnings.catch_warnings():
            # It counts its bins by a transform without a window.
            warnings.filterwarnings("ignore", message="A window was not provided")
            network = BSRoformer(**shared)
    else:
        network = MelBandRoformer(**shared, add_value_residual=False)
    if sizes.mlp_expansion_factor != _PACKAGE_EXPANSION:
        network.mask_estimators = _mask_estimators(network, sizes, stems)
    modules: list[Any] = list(network.modules())
    for module in modules:
        if hasattr(module, "attend"):
            module.attend = TorchAttention(module.attend.scale)
        if hasattr(module, "to_value_residual_mix"):
            module.to_value_residual_mix = None
    return network


def _mask_estimators(
    network: Any, sizes: BandSplitSizes | MelBandSizes, stems: int
) -> nn.ModuleList:
    """Those of another width than the package builds."""
    kind = type(network.mask_estimators[0])
    widths, depth = network.band_split.dim_inputs, sizes.mask_estimator_depth
    factor = sizes.mlp_expansion_factor
    return nn.ModuleList(
        kind(sizes.dim, widths, depth, mlp_expansion_factor=factor) for _ in range(stems)
    )


def _read_state(path: Path) -> Mapping[str, Tensor]:
    """A state dict out of safetensors or a checkpoint, which may lie within a wrapper."""
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path.name} holds more than tensors; it is not loaded") from error
    while isinstance(state, Mapping) and (inner := [k for k in _WRAPPERS if k in state]):
        state = state[inner[0]]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path.name} holds no state dict")
    return state


def _package_names(
    state: Mapping[str, Tensor], sizes: BandSplitSizes | MelBandSizes
) -> Iterator[tuple[str, Tensor]]:
    """MSST's names as the package has them, in single precision.

    The package keeps a place for linear transformers in each mel-band layer, used or not, and
    wraps what MSST adds to its input.
    """
    shift = 1 if isinstance(sizes, MelBandSizes) and not sizes.linear_transformer_depth else 0
    for name, tensor in state.items():
        if found := re.fullmatch(r"layers\.(\d+)\.(\d+)\.(.+)", name):
            inside = re.sub(r"^(layers\.\d+\.[01]\.)", r"\1branch.", found[3])
            name = f"layers.{found[1]}.{int(found[2]) + shift}.{inside}"
        yield name, tensor.float()


def _compare(own: Mapping[str, Tensor], state: Mapping[str, Tensor], *, name: str) -> None:
    """Name the first tensor that the file lacks, has besides, or has in another shape."""
    for tensor in (*own, *state):
        if tensor not in state or tensor not in own:
            word = "has no" if tensor not in state else "has, besides what the network has,"
            raise ValueError(f"{name} {word} {tensor}")
        if own[tensor].shape != state[tensor].shape:
            shapes = tuple(state[tensor].shape), tuple(own[tensor].shape)
            raise ValueError(f"{name} has {tensor} as {shapes[0]}, the network as {shapes[1]}")
