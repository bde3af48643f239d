"""U-Nets that give the masks of several stems at once, complex or ratio, on the low bins.

Any stem of the card that the network does not give is its residual: the mix minus the others, as
"other" in Jansson's thesis (ch. 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from unmixcli.models.adapters.unet_masks import load_state, network_config
from unmixcli.models.card import Card
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.networks.complex_unet import ComplexUNet, ComplexUNetConfig

EDGE_BINS = 64
"""The highest bins that the network sees; the masks of those above follow them."""


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        bins: the lowest bins, which the network sees.
        beyond: the masks of the bins above: the mean magnitude of those in the `EDGE_BINS` below,
            or zeros.
        outputs: stems that the network gives, in its order; None means all of the card's.
        network: fields of `ComplexUNetConfig` but channels and stems.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bins: int = Field(gt=0)
    beyond: Literal["mean", "zeros"] = "mean"
    outputs: tuple[str, ...] | None = None
    network: dict[str, Any] = {}


class UNetStems(SpectralModel):
    """One U-Net for all stems.

    Raises:
        ValueError: if the stems, bins or chunks of `settings` do not fit the network.
    """

    def __init__(
        self,
        settings: SpectralSettings,
        network: ComplexUNet,
        parameters: Parameters,
        *,
        residual: str | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.chosen = parameters
        self.seen_bins = parameters.bins
        self.outputs = parameters.outputs or settings.stems
        _check_stems(self.outputs, settings.stems, residual)
        _check_sizes(parameters.bins, settings, network.config)

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return masks; the network runs once, a stem that it does not give is the residual."""
        given = self._full_band(self.network(mix[..., : self.chosen.bins, :]), mix.shape[-2])
        if not set(stems) <= set(self.outputs):
            given = torch.cat((given, 1 - given.sum(dim=1, keepdim=True)), dim=1)
        # The residual, which is not among the outputs, stands after them.
        rows = {stem: row for row, stem in enumerate(self.outputs)}
        order = [rows.get(stem, len(rows)) for stem in stems]
        return given if order == list(range(given.shape[1])) else given[:, order]

    def _full_band(self, masks: Tensor, bins: int) -> Tensor:
        edge = masks[..., -EDGE_BINS:, :].abs().mean(dim=-2, keepdim=True)
        # Magnitudes of several stems may sum to more than the mix, where nothing cancels.
        edge = edge / edge.sum(dim=1, keepdim=True).clamp_min(1.0)
        if self.chosen.beyond == "zeros":
            edge = torch.zeros_like(edge)
        above = edge.expand(*edge.shape[:-2], bins - masks.shape[-2], -1)
        return torch.cat((masks, above.to(masks.dtype)), dim=-2)


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> UNetStems:
    """Build the network of a card and load its weights, the file of role "all"."""
    parameters = Parameters.model_validate(card.parameters)
    # Built without memory, so that its random start is neither drawn nor kept.
    with torch.device("meta"):
        network = new_network(card.parameters, channels=card.channels, stems=card.stems)
    network.load_state_dict(load_state(paths["all"]), strict=True, assign=True)
    return UNetStems(settings, network, parameters, residual=card.residual)


def untrained(card: Card, settings: SpectralSettings) -> UNetStems:
    """The model of a card with random weights.

    Raises:
        ValueError: for parameters that are unknown, out of range or do not fit the settings.
    """
    network = new_network(card.parameters, channels=card.channels, stems=card.stems)
    parameters = Parameters.model_validate(card.parameters)
    return UNetStems(settings, network, parameters, residual=card.residual)


def states(model: UNetStems) -> dict[str, dict[str, Tensor]]:
    """The weights by the role of their file, as `build` reads them."""
    return {"all": model.network.state_dict()}


def new_network(
    parameters: Mapping[str, Any], *, channels: int, stems: Sequence[str]
) -> ComplexUNet:
    """An untrained network; saved, its state dict is the file that `build` loads.

    Args:
        parameters: those of a card.
        channels: audio channels.
        stems: those of the card; `parameters["outputs"]` says if the network gives fewer.

    Raises:
        ValueError: for parameters that are unknown or out of range.
    """
    chosen = Parameters.model_validate(parameters)
    sizes = {"channels": channels, "stems": len(chosen.outputs or stems)}
    if own := sorted(sizes.keys() & chosen.network.keys()):
        raise ValueError(f"parameters.network must leave {', '.join(own)} to the card")
    return ComplexUNet(network_config(ComplexUNetConfig, {**sizes, **chosen.network}))


def _check_stems(outputs: Sequence[str], stems: Sequence[str], residual: str | None) -> None:
    missing = set(stems) - set(outputs)
    if not set(outputs) <= set(stems) or len(set(outputs)) < len(outputs):
        raise ValueError(f"outputs {outputs} must be stems of {stems}, each once")
    if missing - {residual}:
        raise ValueError(f"the network gives no {', '.join(sorted(missing))}, and no residual does")


def _check_sizes(bins: int, settings: SpectralSettings, config: ComplexUNetConfig) -> None:
    of_bins, of_frames = config.multiples
    most = settings.stft.n_fft // 2 + 1
    if bins % of_bins or bins > most:
        raise ValueError(f"bins must be a multiple of {of_bins} up to {most}, not {bins}")
    chunks = settings.chunks
    if chunks.multiple % of_frames or not chunks.fixed:
        raise ValueError(f"chunks must be fixed, with a multiple of {of_frames}")
