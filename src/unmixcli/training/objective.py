"""The trained thing and its loss: a spectral model between the transform and the losses.

What is trained is the model that separates, not a copy of it: its `masks` on the STFT of the mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unmixcli.dsp.stft import STFTConfig
from unmixcli.models.spectral import SpectralModel
from unmixcli.training.excerpts import Batch
from unmixcli.training.losses import LOSSES, magnitude_spectrum, plain_magnitudes, spectrum


class Masked(NamedTuple):
    """A mix and the masks of its stems.

    Attributes:
        masks: `(batch, stems, channels, bins, frames)`, real and not negative, or complex.
        mix: `(batch, channels, bins, frames)` complex.
    """

    masks: Tensor
    mix: Tensor

    @property
    def spectra(self) -> Tensor:
        """Of the stems, complex."""
        return self.masks * self.mix.unsqueeze(1)

    @property
    def magnitudes(self) -> Tensor:
        """Of the stems; products of magnitudes take a fraction of the time of complex ones."""
        masks = self.masks.abs() if self.masks.is_complex() else self.masks
        return masks * plain_magnitudes(self.mix).unsqueeze(1)

    def grouped(self, groups: Tensor) -> Masked:
        """Sums of stems, by `(batch, targets, stems)` of 0 and 1: masks add, as stems do."""
        masks = torch.einsum("bts,bscfn->btcfn", groups.to(self.masks.dtype), self.masks)
        return Masked(masks, self.mix)


class Trainee(nn.Module):
    """The masks that a model gives a mix.

    Args:
        model: what is trained.
        all_bins: whether masks are wanted above the bins that the network sees while it is
            trained; without them a step takes up to half of the time. Evaluated, it gives all.

    Shape: `(batch, channels, samples)` float32 to `Masked`.
    """

    def __init__(self, model: SpectralModel, *, all_bins: bool = True) -> None:
        super().__init__()
        self.model = model
        self.bins = None if all_bins else model.seen_bins

    def forward(self, mix: Tensor) -> Masked:
        """Transform the mix, run the networks of all stems."""
        settings = self.model.settings
        mixed = spectrum(mix, config=settings.stft)
        if self.training:
            mixed = mixed[..., : self.bins, :]
        shape = mixed.shape
        mono = settings.channels == 1
        inputs = mixed.reshape(-1, 1, *shape[2:]) if mono else mixed
        masks = self.model.masks(inputs, stems=settings.stems)
        if mono:
            masks = masks.reshape(shape[0], shape[1], *masks.shape[1:2], *shape[2:]).transpose(1, 2)
        return Masked(masks, mixed)


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

    @property
    def hears(self) -> bool:
        """Whether a loss takes waveforms, which need all bins."""
        return any(LOSSES[name].domain == "waveform" for name in self.weights)

    def __call__(self, masked: Masked, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and each of its parts unweighted, as means over what is known.

        Stems are summed to the targets, so the loss of a group is that of its sum.
        """
        estimates = masked if batch.is_plain else masked.grouped(batch.groups)
        pair = _Pair(estimates, batch.targets, self.config)
        weights = batch.known * batch.weights[:, None]
        total = weights.new_zeros(())
        parts = {}
        for name, weight in self.weights.items():
            loss = LOSSES[name]
            values = loss.function(
                *(pair.magnitudes if loss.domain == "spectrum" else pair.waveforms)
            )
            # Zeros, not a factor of 0, which would keep a NaN of an unknown target.
            known = torch.where(batch.known, values * weights, torch.zeros_like(values))
            parts[name] = known.sum() / weights.sum().clamp_min(1e-12)
            total = total + weight * parts[name]
        return total, parts


class _Pair:
    """Estimates and targets in both domains, each made when it is first asked for."""

    def __init__(self, estimates: Masked, targets: Tensor, config: STFTConfig) -> None:
        self._estimates = estimates
        self._targets = targets
        self._config = config

    @cached_property
    def magnitudes(self) -> tuple[Tensor, Tensor]:
        bins = self._estimates.mix.shape[-2]
        targets = magnitude_spectrum(self._targets, config=self._config, bins=bins)
        return self._estimates.magnitudes, targets

    @cached_property
    def waveforms(self) -> tuple[Tensor, Tensor]:
        samples = self._targets.shape[-1]
        spectra = self._estimates.spectra
        return waveform(spectra, config=self._config, samples=samples), self._targets


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
