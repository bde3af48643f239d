"""MaD TwinNet: one stem from the network, the other is what it leaves of the mix's magnitudes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from unmixcli.models.adapters.unet_masks import network_config
from unmixcli.models.card import Card
from unmixcli.models.spectral import SpectralModel, SpectralSettings, TrainingMasks
from unmixcli.networks.mad_twinnet import MaDTwinNet, MaDTwinNetConfig, Stages, Twin

Weight = Annotated[float, Field(ge=0)]


class Weights(BaseModel):
    """What stands beside the loss of the network's result, which weighs 1.

    Attributes:
        masker: the same loss of the Masker's estimate.
        twin: of the twin's.
        distance: the distance of the decoder's states from the twin's image.
        diagonal: the sum of absolute values on the diagonal of the mask layer's weights.
        denoiser: the sum of squares of the weights of the Denoiser's last layer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    masker: Weight = 1.0
    twin: Weight = 0.5
    distance: Weight = 0.5
    diagonal: Weight = 1e-2
    denoiser: Weight = 1e-4


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        given: the stem that the network gives.
        network: fields of `MaDTwinNetConfig` but bins.
        weights: of the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    given: str = "percussive"
    network: dict[str, Any] = {}
    weights: Weights = Weights()


class MaDTwinNetMasks(SpectralModel):
    """The network, and in training its twin.

    Raises:
        ValueError: if stems or chunks of `settings` do not fit.
    """

    def __init__(
        self, settings: SpectralSettings, network: MaDTwinNet, parameters: Parameters
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.chosen = parameters
        self.twin: Twin | None = None
        if parameters.given not in settings.stems or len(settings.stems) != 2:
            raise ValueError(f"{parameters.given} must be one of two stems, not {settings.stems}")
        if settings.channels != 1:
            raise ValueError("the network takes one channel; set channels to 1")
        if settings.chunks.context < network.config.context:
            raise ValueError(f"chunks need a context of {network.config.context} frames")

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return masks; zeros for the context, where the network gives none."""
        context = self.network.config.context
        mask = self.network(mix[:, 0].abs())
        return F.pad(self._both(mask, stems), (context, context))

    def training_masks(self, mix: Tensor, *, stems: Sequence[str]) -> TrainingMasks:
        """The masks, those of Masker and twin, and the penalties of the paper."""
        if self.twin is None:
            raise RuntimeError("a model that was loaded has no twin and cannot be trained on")
        stages: Stages = self.twin(self.network, mix[:, 0].abs())
        weights = self.chosen.weights
        return TrainingMasks(
            self._both(stages.denoiser, stems),
            stages=(
                (weights.masker, self._both(stages.masker, stems)),
                (weights.twin, self._both(stages.twin, stems)),
            ),
            penalties=dict(self._penalties(stages)),
            context=self.network.config.context,
        )

    def _penalties(self, stages: Stages) -> Iterator[tuple[str, Tensor]]:
        weights = self.chosen.weights
        last: Tensor = self.network.denoiser[2].weight  # type: ignore[assignment]
        # The paper's divergence is a sum over bins, that of `training.losses` a mean: divided by
        # the bins, the penalties weigh against it what they do in the paper.
        bins = self.network.config.bins
        yield "twin_distance", weights.distance * stages.distance / bins
        diagonal = self.network.mask.weight.diagonal().abs().sum()
        yield "mask_diagonal", weights.diagonal * diagonal / bins
        yield "denoiser_weights", weights.denoiser * last.square().sum() / bins

    def _both(self, mask: Tensor, stems: Sequence[str]) -> Tensor:
        """Masks of the stems; the other one is never negative."""
        rest = (1 - mask).clamp_min(0)
        rows = [mask if stem == self.chosen.given else rest for stem in stems]
        return torch.stack(rows, dim=1).unsqueeze(2)


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> MaDTwinNetMasks:
    """Build the network of a card and load its weights, the file of role "all"."""
    with torch.device("meta"):
        network = _network(card, settings)
    network.load_state_dict(load_file(paths["all"]), strict=True, assign=True)
    return MaDTwinNetMasks(settings, network, Parameters.model_validate(card.parameters))


def untrained(card: Card, settings: SpectralSettings) -> MaDTwinNetMasks:
    """The model of a card with random weights, and its twin.

    Raises:
        ValueError: for parameters that are unknown, out of range or do not fit the settings.
    """
    network = _network(card, settings)
    model = MaDTwinNetMasks(settings, network, Parameters.model_validate(card.parameters))
    model.twin = Twin(network.config)
    return model


def states(model: MaDTwinNetMasks) -> dict[str, dict[str, Tensor]]:
    """The weights by the role of their file; the twin has done its work."""
    return {"all": model.network.state_dict()}


def _network(card: Card, settings: SpectralSettings) -> MaDTwinNet:
    chosen = Parameters.model_validate(card.parameters).network
    return MaDTwinNet(network_config(MaDTwinNetConfig, {"bins": settings.stft.bins, **chosen}))
