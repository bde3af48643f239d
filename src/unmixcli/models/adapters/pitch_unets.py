"""Wired U-Nets: the vocals of a mix and the salience of their pitch (Jansson's thesis, ch. 5).

The mask of the vocals is one for all bins that the nets see; above, at the highest frequency alone
in the thesis' 512 of 513 bins, there are no vocals. What the vocals leave is the other stem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from unmixcli.errors import ModelError
from unmixcli.models.adapters.unet_masks import network_config
from unmixcli.models.card import Card
from unmixcli.models.salience import salience_axis
from unmixcli.models.spectral import JointModel, SpectralSettings, TrainingMasks, Truth
from unmixcli.networks.unet import UNetConfig
from unmixcli.networks.wired import (
    TRUE_SALIENCE,
    TRUE_VOCALS,
    Found,
    WiredConfig,
    WiredUNets,
    wiring,
)

VOCALS = "vocals"

# 30 dB: noise below -60 dBFS stays quiet.
_MOST = 31.6


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        wiring: one of `WIRINGS`.
        bins: the lowest bins, which the nets see.
        harmonics: by which nets of pitch read magnitudes.
        compression: nets see magnitudes to this power.
        level: of the loudest frame of a chunk, as root mean square of its magnitudes, to which
            the nets hear quieter chunks raised, by at most `_MOST`; 0 leaves them.
        stages: weight of the losses of what earlier nets give; 0 is the thesis.
        network: fields of `UNetConfig` but channels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wiring: str = "s-p-s-p"
    bins: int = Field(default=512, gt=0)
    harmonics: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    compression: float = 1.0
    level: Annotated[float, Field(ge=0)] = 0.0
    stages: Annotated[float, Field(ge=0)] = 0.0
    network: dict[str, Any] = {}


class PitchUNets(JointModel):
    """The nets of a wiring as a model of two stems and of pitch.

    Raises:
        ValueError: if the stems, channels or chunks of `settings` do not fit.
    """

    def __init__(
        self, settings: SpectralSettings, network: WiredUNets, parameters: Parameters
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.chosen = parameters
        self.seen_bins = parameters.bins
        config = network.config
        self.axis = config.axis
        self.gives_salience = config.last("salience") is not None
        self.is_oracle = bool(config.needs)
        if VOCALS not in settings.stems or len(settings.stems) != 2:
            raise ValueError(f"stems must be vocals and another one, not {settings.stems}")
        if settings.channels != 1:
            raise ValueError("the nets take one channel; set channels to 1")
        chunks = settings.chunks
        if chunks.multiple % config.unet.multiple or not chunks.fixed:
            raise ValueError(f"chunks must be fixed, with a multiple of {config.unet.multiple}")

    def joint(
        self, mix: Tensor, *, stems: Sequence[str], truth: Truth | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return masks and salience; zeros for what no net of the wiring gives.

        Raises:
            ModelError: if the wiring reads the truth, which nobody knows of this mix.
        """
        found = self._found(mix, truth)
        mask = self._last(found, "vocals", mix)
        return self._both(mask, mix.shape[-2], stems), self._last(found, "salience", mix)

    def training_masks(
        self, mix: Tensor, *, stems: Sequence[str], truth: Truth | None = None
    ) -> TrainingMasks:
        """Both, and what the earlier nets gave."""
        found = self._found(mix, truth)
        bins, weight = mix.shape[-2], self.chosen.stages
        stages = [*found.masks.values()][:-1] if weight else []
        salience_stages = [*found.logits.values()][:-1] if weight else []
        return TrainingMasks(
            self._both(self._last(found, "vocals", mix), bins, stems),
            stages=tuple((weight, self._both(mask, bins, stems)) for mask in stages),
            salience=self._last(found, "salience", mix) if self.gives_salience else None,
            salience_stages=tuple((weight, logits.sigmoid()) for logits in salience_stages),
        )

    def _found(self, mix: Tensor, truth: Truth | None) -> Found:
        if truth is None and self.is_oracle:
            raise ModelError(
                f"the wiring {self.chosen.wiring} reads {' and '.join(self._needs)}, which only "
                "a training knows; take another wiring to separate or to find pitch"
            )
        magnitudes = mix[:, 0, : self.chosen.bins].abs()
        gain = self._gain(magnitudes)
        heard = gain * magnitudes
        if truth is None:
            found: Found = self.network(heard)
        else:
            vocals = gain * truth.vocals[:, 0, : self.chosen.bins]
            found = self.network(heard, true_vocals=vocals, true_salience=truth.salience)
        return found

    def _gain(self, magnitudes: Tensor) -> Tensor:
        """By what each chunk is raised: `(batch, 1, 1)`."""
        if not self.chosen.level:
            return magnitudes.new_ones((magnitudes.shape[0], 1, 1))
        frames = magnitudes.square().mean(dim=1).sqrt()
        loudest = frames.amax(dim=-1).clamp_min(torch.finfo(frames.dtype).tiny)
        return (self.chosen.level / loudest).clamp(1.0, _MOST)[:, None, None]

    @property
    def _needs(self) -> list[str]:
        words = {TRUE_VOCALS: "the true vocals", TRUE_SALIENCE: "their true pitch"}
        return [words[name] for name in sorted(self.network.config.needs)]

    def _last(self, found: Found, quantity: Literal["vocals", "salience"], mix: Tensor) -> Tensor:
        """The result, `(batch, bins, frames)`: a mask, or salience."""
        name = self.network.config.last(quantity)
        bins = self.chosen.bins if quantity == "vocals" else self.axis.bins
        if name is None:
            return mix.new_zeros((mix.shape[0], bins, mix.shape[-1]), dtype=torch.float32)
        return found.masks[name] if quantity == "vocals" else found.logits[name].sigmoid()

    def _both(self, mask: Tensor, bins: int, stems: Sequence[str]) -> Tensor:
        """Masks of the stems: `(batch, stems, 1, bins, frames)`."""
        whole = F.pad(mask, (0, 0, 0, bins - mask.shape[-2]))
        rows = [whole if stem == VOCALS else 1 - whole for stem in stems]
        if not rows:
            return whole.new_zeros((whole.shape[0], 0, 1, *whole.shape[1:]))
        return torch.stack(rows, dim=1).unsqueeze(2)


def build(card: Card, paths: Mapping[str, Path], settings: SpectralSettings) -> PitchUNets:
    """Build the nets of a card and load their weights, the file of role "all"."""
    network = _network(card, settings)
    network.load_state_dict(load_file(paths["all"]), strict=True)
    return PitchUNets(settings, network, Parameters.model_validate(card.parameters))


def untrained(card: Card, settings: SpectralSettings) -> PitchUNets:
    """The model of a card with random weights.

    Raises:
        ValueError: for parameters that are unknown, out of range or do not fit the settings.
    """
    parameters = Parameters.model_validate(card.parameters)
    return PitchUNets(settings, _network(card, settings), parameters)


def states(model: PitchUNets) -> dict[str, dict[str, Tensor]]:
    """The weights by the role of their file, as `build` reads them."""
    return {"all": model.network.state_dict()}


def _network(card: Card, settings: SpectralSettings) -> WiredUNets:
    parameters = Parameters.model_validate(card.parameters)
    return WiredUNets(
        WiredConfig(
            nodes=wiring(parameters.wiring),
            sample_rate=settings.sample_rate,
            n_fft=settings.stft.n_fft,
            bins=parameters.bins,
            axis=salience_axis(card),
            harmonics=parameters.harmonics,
            compression=parameters.compression,
            unet=network_config(UNetConfig, {"channels": 1, **parameters.network}),
        )
    )
