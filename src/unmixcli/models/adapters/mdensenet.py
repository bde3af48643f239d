"""3W-MDenseNet: the masks of all stems from the magnitudes of the lowest bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file
from torch import Tensor

from unmixcli.models.adapters.unet_masks import network_config
from unmixcli.models.adapters.unet_stems import EDGE_BINS
from unmixcli.models.card import Card
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.networks.mdensenet import MDenseNet, MDenseNetConfig

_SMALL = 1e-10


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        ratio: whether masks are ratios of the squared estimates (the single-channel Wiener filter
            of Lordelo 2021); otherwise each is the network's own.
        bins: the lowest bins, which the network sees; all but the highest one if None, as in the
            paper. The masks of the bins above are the means of the `EDGE_BINS` below.
        network: fields of `MDenseNetConfig` but channels and stems.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ratio: bool = True
    bins: int | None = Field(default=None, gt=0)
    network: dict[str, Any] = {}


class MDenseNetMasks(SpectralModel):
    """One network for all stems.

    Raises:
        ValueError: if bins or chunks of `settings` do not fit the network.
    """

    def __init__(
        self, settings: SpectralSettings, network: MDenseNet, parameters: Parameters
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.chosen = parameters
        self.seen_bins: int = parameters.bins or settings.stft.bins - 1
        multiple = network.config.multiple
        if self.seen_bins % multiple or settings.chunks.multiple % multiple:
            raise ValueError(f"bins and chunks must be multiples of {multiple}")
        if self.seen_bins > settings.stft.bins:
            raise ValueError(f"bins must be at most {settings.stft.bins}, not {self.seen_bins}")

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return masks of all bins."""
        given = self.network(mix[..., : self.seen_bins, :].abs())
        if self.chosen.ratio and not self.training:
            squared = given.square()
            given = squared / (squared.sum(dim=1, keepdim=True) + _SMALL)
        order = [self.settings.stems.index(stem) for stem in stems]
        asked = given[:, order]
        edge = asked[..., -EDGE_BINS:, :] if self.chosen.bins else asked[..., -1:, :]
        above = edge.mean(dim=-2, keepdim=True)
        beyond = mix.shape[-2] - given.shape[-2]
        return torch.cat((asked, above.expand(*above.shape[:3], beyond, -1)), dim=-2)


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> MDenseNetMasks:
    """Build the network of a card and load its weights, the file of role "all"."""
    with torch.device("meta"):
        network = _network(card, settings)
    network.load_state_dict(load_file(paths["all"]), strict=True, assign=True)
    return MDenseNetMasks(settings, network, Parameters.model_validate(card.parameters))


def untrained(card: Card, settings: SpectralSettings) -> MDenseNetMasks:
    """The model of a card with random weights.

    Raises:
        ValueError: for parameters that are unknown, out of range or do not fit the settings.
    """
    parameters = Parameters.model_validate(card.parameters)
    return MDenseNetMasks(settings, _network(card, settings), parameters)


def states(model: MDenseNetMasks) -> dict[str, dict[str, Tensor]]:
    """The weights by the role of their file, as `build` reads them."""
    return {"all": model.network.state_dict()}


def _network(card: Card, settings: SpectralSettings) -> MDenseNet:
    chosen = Parameters.model_validate(card.parameters).network
    sizes = {"channels": settings.channels, "stems": len(settings.stems)}
    return MDenseNet(network_config(MDenseNetConfig, {**sizes, **chosen}))
