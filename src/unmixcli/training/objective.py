"""The trained thing and its loss: a spectral model between the transform and the losses.

What is trained is the model that separates, not a copy of it: its `masks` on the STFT of the mix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unmixcli.dsp.stft import STFTConfig
from unmixcli.models.spectral import JointModel, SpectralModel, TrainingMasks, Truth
from unmixcli.training.excerpts import Batch
from unmixcli.training.losses import (
    LOSSES,
    SALIENCE_LOSSES,
    magnitude_spectrum,
    plain_magnitudes,
    spectrum,
)
from unmixcli.training.pitch import VOICE


class Masked(NamedTuple):
    """A mix and the masks of its stems.

    Attributes:
        masks: `(batch, stems, channels, bins, frames)`, real and not negative, or complex.
        mix: `(batch, channels, bins, frames)` complex.
        first_frame: of the mix, counted from the excerpt's.
        stages: masks of further estimates, each with the weight of its loss.
        penalties: added to the loss as they are.
        salience: of the voice's pitch, `(batch, bins, frames)`, of a model that gives it.
        salience_stages: further estimates of it, each with the weight of its loss.
    """

    masks: Tensor
    mix: Tensor
    first_frame: int = 0
    stages: tuple[tuple[float, Tensor], ...] = ()
    penalties: Mapping[str, Tensor] = MappingProxyType({})
    salience: Tensor | None = None
    salience_stages: tuple[tuple[float, Tensor], ...] = ()

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
        return Masked(masks, self.mix, self.first_frame)

    def other_stages(self) -> Iterator[tuple[float, Masked]]:
        """Further estimates, with the weights of their losses."""
        for weight, masks in self.stages:
            yield weight, Masked(masks, self.mix, self.first_frame)


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

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """What `forward` takes of a batch: the mix, and for oracles the voice and its salience."""
        if not (isinstance(self.model, JointModel) and self.model.is_oracle):
            return (batch.mix,)
        if batch.salience is None:
            raise ValueError("an oracle needs data.pitch")
        voice = batch.targets[:, self.model.settings.stems.index(VOICE)]
        return batch.mix, voice, batch.salience.nan_to_num(0.0)

    def forward(self, mix: Tensor, *truth: Tensor) -> Masked:
        """Transform the mix, run the networks of all stems."""
        settings = self.model.settings
        mixed = spectrum(mix, config=settings.stft)
        if isinstance(self.model, JointModel):
            return self._joint(self.model, mixed, truth)
        # A mono model takes each channel by itself.
        joined = mixed.shape[1] if settings.channels == 1 else None
        if not self.training:
            masks = self.model.masks(_apart(mixed, joined), stems=settings.stems)
            return Masked(_together(masks, joined), mixed)
        mixed = mixed[..., : self.bins, :]
        given = self.model.training_masks(_apart(mixed, joined), stems=settings.stems)
        return Masked(
            _together(given.masks, joined),
            mixed[..., given.context : mixed.shape[-1] - given.context],
            given.context,
            tuple((weight, _together(masks, joined)) for weight, masks in given.stages),
            given.penalties,
        )

    def _joint(self, model: JointModel, mixed: Tensor, given: Sequence[Tensor]) -> Masked:
        """Of a model that gives salience too, which takes one channel."""
        stems, config = model.settings.stems, model.settings.stft
        truth = None
        if given:
            voice = magnitude_spectrum(given[0], config=config, bins=config.bins)
            truth = Truth(voice[..., : self.bins if self.training else None, :], given[1])
        if not self.training:
            masks, salience = model.joint(mixed, stems=stems, truth=truth)
            found = TrainingMasks(masks, salience=salience if model.gives_salience else None)
            return _masked(found, mixed)
        mixed = mixed[..., : self.bins, :]
        return _masked(model.training_masks(mixed, stems=stems, truth=truth), mixed)


def _masked(found: TrainingMasks, mixed: Tensor) -> Masked:
    return Masked(
        found.masks,
        mixed,
        stages=found.stages,
        penalties=found.penalties,
        salience=found.salience,
        salience_stages=found.salience_stages,
    )


def _apart(mixed: Tensor, channels: int | None) -> Tensor:
    return mixed if channels is None else mixed.reshape(-1, 1, *mixed.shape[2:])


def _together(masks: Tensor, channels: int | None) -> Tensor:
    if channels is None:
        return masks
    found: Tensor = masks.unflatten(0, (-1, channels)).squeeze(3).transpose(1, 2)
    return found


class Objective:
    """A weighted sum of losses over the known targets of a batch.

    Args:
        weights: by the names of `LOSSES` and `SALIENCE_LOSSES`.
        config: the transform of the spectra.
        counted: for each stem of the model whether it is learned; targets that hold another one
            do not count. None means all.

    Raises:
        ValueError: for a loss that does not exist.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        config: STFTConfig,
        counted: Sequence[bool] | None = None,
    ) -> None:
        names = (*LOSSES, *SALIENCE_LOSSES)
        unknown = sorted(set(weights) - set(names))
        if unknown:
            raise ValueError(f"{unknown[0]} is no loss; there are {', '.join(names)}")
        self.weights = {name: weight for name, weight in weights.items() if name in LOSSES}
        self.salience_weights = {
            name: weight for name, weight in weights.items() if name in SALIENCE_LOSSES
        }
        self.config = config
        self._left_out = None if counted is None else ~torch.tensor(counted)

    @property
    def hears(self) -> bool:
        """Whether a loss takes waveforms, which need all bins."""
        return any(LOSSES[name].domain == "waveform" for name in self.weights)

    def __call__(self, masked: Masked, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and each of its parts unweighted, as means over what is known.

        Stems are summed to the targets, so the loss of a group is that of its sum. Parts are of
        the estimate itself; those of its other stages are in the loss alone.
        """
        total, parts = self._loss(masked, batch)
        for weight, estimates in masked.other_stages():
            total = total + weight * self._loss(estimates, batch)[0]
        for name, penalty in masked.penalties.items():
            parts[name] = penalty
            total = total + penalty
        if self.salience_weights and batch.salience is not None and masked.salience is not None:
            cost, own = self._of_salience(masked.salience, batch.salience, batch.weights)
            total, parts = total + cost, {**parts, **own}
            for weight, estimate in masked.salience_stages:
                cost, _ = self._of_salience(estimate, batch.salience, batch.weights)
                total = total + weight * cost
        return total, parts

    def _of_salience(
        self, estimate: Tensor, target: Tensor, weights: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As `_loss`, a mean over the frames whose pitch is known."""
        known = ~target.isnan().any(dim=1)
        shares = known * weights[:, None]
        shares = shares / shares.sum().clamp_min(1e-12)
        there = target.nan_to_num(0.0)
        parts = {
            name: (SALIENCE_LOSSES[name](estimate, there) * shares).sum()
            for name in self.salience_weights
        }
        total = sum(
            (weight * parts[name] for name, weight in self.salience_weights.items()),
            start=shares.new_zeros(()),
        )
        return total, parts

    def _loss(self, masked: Masked, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        estimates = masked if batch.is_plain else masked.grouped(batch.groups)
        pair = _Pair(estimates, batch.targets, self.config)
        known = self._counted(batch)
        weights = known * batch.weights[:, None]
        total = weights.new_zeros(())
        parts = {}
        for name, weight in self.weights.items():
            loss = LOSSES[name]
            values = loss.function(
                *(pair.magnitudes if loss.domain == "spectrum" else pair.waveforms)
            )
            # Zeros, not a factor of 0, which would keep a NaN of an unknown target.
            counting = torch.where(known, values * weights, torch.zeros_like(values))
            parts[name] = counting.sum() / weights.sum().clamp_min(1e-12)
            total = total + weight * parts[name]
        return total, parts

    def _counted(self, batch: Batch) -> Tensor:
        if self._left_out is None:
            return batch.known
        left_out = self._left_out.to(batch.groups.device)
        return batch.known & ~((batch.groups > 0) & left_out).any(dim=-1)


class _Pair:
    """Estimates and targets in both domains, each made when it is first asked for."""

    def __init__(self, estimates: Masked, targets: Tensor, config: STFTConfig) -> None:
        self._estimates = estimates
        self._targets = targets
        self._config = config

    @cached_property
    def magnitudes(self) -> tuple[Tensor, Tensor]:
        bins, frames = self._estimates.mix.shape[-2:]
        targets = magnitude_spectrum(self._targets, config=self._config, bins=bins)
        first = self._estimates.first_frame
        return self._estimates.magnitudes, targets[..., first : first + frames]

    @cached_property
    def waveforms(self) -> tuple[Tensor, Tensor]:
        if self._estimates.first_frame:
            raise ValueError("a loss of waveforms needs all frames; this network gives fewer")
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
