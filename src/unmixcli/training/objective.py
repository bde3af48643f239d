"""The trained thing and its loss: a spectral model between the transform and the losses.

What is trained is the model that separates, not a copy of it: its `masks` on the STFT of the mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from unmixcli.dsp.stft import STFTConfig
from unmixcli.models.spectral import SpectralModel
from unmixcli.training.excerpts import Batch
from unmixcli.training.losses import LOSSES, spectrum


class Trainee(nn.Module):
    """Spectra of all stems from a mix.

    Shape: `(batch, channels, samples)` float32 to `(batch, stems, channels, bins, frames)` complex.
    """

    def __init__(self, model: SpectralModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, mix: Tensor) -> Tensor:
        """Mask the mix."""
        settings = self.model.settings
        mixed = spectrum(mix, config=settings.stft)
        shape = mixed.shape
        mono = settings.channels == 1
        inputs = mixed.reshape(-1, 1, *shape[2:]) if mono else mixed
        masks = self.model.masks(inputs, stems=settings.stems)
        if mono:
            masks = masks.reshape(shape[0], shape[1], *masks.shape[1:2], *shape[2:]).transpose(1, 2)
        return masks * mixed.unsqueeze(1)


class Objective:
    """A weighted sum of losses over the known targets of a batch.

    Args:
        weights: by the names of `LOSSES`.
        config: the transform of the spectra.

    Raises:
        ValueError: for a loss that does not exist.
    """

    def __init__(self, weights: Mapping[str, float], *, config: STFTConfig) -> None:
        unknown = sorted(set(weights) - set(LOSSES))
        if unknown:
            raise ValueError(f"{unknown[0]} is no loss; there are {', '.join(LOSSES)}")
        self.weights = dict(weights)
        self.config = config

    def __call__(self, spectra: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and each of its parts unweighted, as means over what is known.

        Shape: spectra of the model's stems `(batch, stems, channels, bins, frames)`; they are
        summed to the targets, so the loss of a group is that of its sum.
        """
        groups = batch.groups.to(spectra.dtype)
        grouped = torch.einsum("bts,bscfn->btcfn", groups, spectra)
        pair = _Pair(grouped, batch.targets, self.config)
        weights = batch.known * batch.weights[:, None]
        total = spectra.new_zeros((), dtype=torch.float32)
        parts = {}
        for name, weight in self.weights.items():
            loss = LOSSES[name]
            values = loss.function(*(pair.spectra if loss.domain == "spectrum" else pair.waveforms))
            # Zeros, not a factor of 0, which would keep a NaN of an unknown target.
            known = torch.where(batch.known, values * weights, torch.zeros_like(values))
            parts[name] = known.sum() / weights.sum().clamp_min(1e-12)
            total = total + weight * parts[name]
        return total, parts


class _Pair:
    """Estimates and targets in both domains, each made when it is first asked for."""

    def __init__(self, spectra: Tensor, targets: Tensor, config: STFTConfig) -> None:
        self._estimates = spectra
        self._targets = targets
        self._config = config

    @cached_property
    def spectra(self) -> tuple[Tensor, Tensor]:
        return self._estimates, spectrum(self._targets, config=self._config)

    @cached_property
    def waveforms(self) -> tuple[Tensor, Tensor]:
        samples = self._targets.shape[-1]
        return waveform(self._estimates, config=self._config, samples=samples), self._targets


def waveform(spectra: Tensor, *, config: STFTConfig, samples: int) -> Tensor:
    """Invert whole spectra at once, differentiably; equal to `unmixcli.dsp.stft.istft`.

    Shape: `(..., bins, frames)` complex to `(..., samples)` float32.
    """
    signal = torch.istft(
        spectra.reshape(-1, *spectra.shape[-2:]),
        config.n_fft,
        config.hop_samples,
        window=config.window_tensor(device=spectra.device),
        length=samples,
    )
    return signal.reshape(*spectra.shape[:-2], samples)
