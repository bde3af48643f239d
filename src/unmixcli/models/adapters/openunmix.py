"""Open-Unmix: one recurrent network a stem, its published state dicts as they are."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file
from torch import Tensor, nn

from unmixcli.models.card import Card
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.networks.openunmix import OpenUnmix, published_state


class Parameters(BaseModel):
    """The card's `parameters`: the sizes of `OpenUnmix`, the same for every stem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_size: int = 512
    max_bin: int | None = None
    nb_layers: int = 3
    unidirectional: bool = False


class OpenUnmixMasks(SpectralModel):
    """One network a stem; only those of the stems asked for run."""

    def __init__(self, settings: SpectralSettings, networks: Mapping[str, OpenUnmix]) -> None:
        super().__init__()
        self.settings = settings
        self.networks = nn.ModuleDict(networks)

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return masks, not negative and unbounded."""
        magnitudes = mix.abs()
        shape = (mix.shape[0], len(stems), *mix.shape[1:])
        masks = torch.empty(shape, dtype=magnitudes.dtype, device=mix.device)
        # One after another: stacked at the end, all of them would be held twice.
        for index, stem in enumerate(stems):
            masks[:, index] = cast(OpenUnmix, self.networks[stem]).mask(magnitudes)
        return masks


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> OpenUnmixMasks:
    """Build the networks of a card and load their published weights, strictly."""
    sizes = Parameters.model_validate(card.parameters)
    networks = {}
    for stem in card.stems:
        with torch.device("meta"):
            networks[stem] = OpenUnmix(
                settings.stft.bins,
                nb_channels=card.channels,
                hidden_size=sizes.hidden_size,
                max_bin=sizes.max_bin,
                nb_layers=sizes.nb_layers,
                unidirectional=sizes.unidirectional,
            )
        state = published_state(_read_state(paths[stem]))
        networks[stem].load_state_dict(state, strict=True, assign=True)
    return OpenUnmixMasks(settings, networks)


def _read_state(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path.name} holds more than tensors; it is not loaded") from error
    return state
