"""Several separators as one: their estimates of each stem, averaged block by block.

Every member is an engine at the rate and channels of the track, so estimates of one sample meet
whatever the members' own rates, chunks and delays are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.dsp.stft import InverseSTFTStream, STFTConfig, STFTStream
from unmixcli.models.ensemble import Method
from unmixcli.separation.engine import Engine
from unmixcli.separation.phase import PhaseMeasure
from unmixcli.separation.sparing import Notice

SPECTRA = STFTConfig(n_fft=4096, hop_samples=1024)
"""The transform in which estimates are compared bin by bin, and stems are measured."""


@dataclass(frozen=True)
class EnsembleMember:
    """A separator with a say.

    Attributes:
        engine: gives `stems`, each as an output.
        weights: for each stem of the ensemble; 0 where the member has no say.
    """

    engine: Engine
    weights: tuple[float, ...]


class EnsembleSeparator:
    """Blocks of the mix in, blocks of stems out.

    Args:
        members: at least one has a weight for each stem; the outputs of their engines are the
            stems for which they have a weight, in the order of `stems`.
        stems: of the ensemble.
        method: how estimates become one; see `models.ensemble.Ensemble`.
        given: those that come out, in this order; None is all.
        measured: is told measures of all stems at the end of the track: of the spectra that were
            chosen, or of the mean.

    Raises:
        ValueError: if nobody gives a stem.
    """

    def __init__(
        self,
        members: Sequence[EnsembleMember],
        *,
        stems: Sequence[str],
        method: Method = "mean",
        given: Sequence[str] | None = None,
        measured: Notice | None = None,
    ) -> None:
        self.stems = tuple(stems if given is None else given)
        self._rows = [list(stems).index(stem) for stem in self.stems]
        self.sample_rate = members[0].engine.sample_rate
        self.channels: int | None = members[0].engine.channels
        self._members = tuple(members)
        weights = torch.tensor([member.weights for member in members])
        for stem, total in zip(stems, weights.sum(dim=0).tolist(), strict=True):
            if not total:
                raise ValueError(f"no model of the ensemble has a weight for {stem!r}")
        self._shares = weights / weights.sum(dim=0)
        self._method = method
        self._measure = measured and PhaseMeasure(stems, SPECTRA, measured)
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        for member in self._members:
            member.engine.reset()
        self._waiting: list[list[Tensor]] = [[] for _ in self._members]
        self._samples = 0
        self._forward = [STFTStream(SPECTRA) for _ in self._members]
        self._inverse = InverseSTFTStream(SPECTRA)
        self._of_mix = STFTStream(SPECTRA)
        self._of_mean = STFTStream(SPECTRA)
        if self._measure is not None:
            self._measure.reset()

    @torch.no_grad()
    def push(self, block: Tensor) -> Tensor:
        """Take `(channels, samples)`, return the `(stems, channels, samples)` that are done."""
        self._samples += block.shape[-1]
        if self._measure is not None:
            self._measure.hear(self._of_mix.push(block))
        return self._combined([member.engine.push(block) for member in self._members], last=False)

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Return the rest."""
        measure = self._measure if self._samples else None
        if measure is not None:
            measure.hear(self._of_mix.finish())
        rest = self._combined([member.engine.finish() for member in self._members], last=True)
        if measure is not None:
            measure.finish(self._samples)
        return rest

    def _combined(self, arrived: Sequence[Tensor], *, last: bool) -> Tensor:
        for waiting, stems in zip(self._waiting, arrived, strict=True):
            waiting.append(stems)
        together = [torch.cat(waiting, dim=-1) for waiting in self._waiting]
        ready = min(stems.shape[-1] for stems in together)
        self._waiting = [[stems[..., ready:]] for stems in together]
        estimates = [
            _spread(stems[..., :ready], member.weights)
            for stems, member in zip(together, self._members, strict=True)
        ]
        combine = self._mean if self._method == "mean" else self._by_spectra
        return combine(estimates, last=last)[self._rows]

    def _mean(self, estimates: list[Tensor], *, last: bool) -> Tensor:
        stems = torch.einsum("ms,mscn->scn", self._shares, torch.stack(estimates))
        if self._measure is not None:
            self._measure.push(self._of_mean.push(stems))
            if last:
                self._measure.push(self._of_mean.finish())
        return stems

    def _by_spectra(self, estimates: list[Tensor], *, last: bool) -> Tensor:
        streams = list(zip(self._forward, estimates, strict=True))
        spectra = [stream.push(stems) for stream, stems in streams]
        chosen = [self._inverse.push(self._chosen(torch.stack(spectra)))]
        if last:
            rest = torch.stack([stream.finish() for stream, _ in streams])
            if rest.shape[-1]:
                chosen.append(self._inverse.push(self._chosen(rest)))
            chosen.append(self._inverse.finish(self._samples))
        return torch.cat(chosen, dim=-1)

    def _chosen(self, spectra: Tensor) -> Tensor:
        """Of `(members, stems, channels, bins, frames)` one value a bin, among those with a say."""
        pick = _PICKS[self._method]
        has_say = self._shares > 0
        count = spectra.shape[1]
        chosen = torch.stack([pick(spectra[has_say[:, s], s]) for s in range(count)])
        if self._measure is not None:
            self._measure.push(chosen)
        return chosen


def _spread(stems: Tensor, weights: Sequence[float]) -> Tensor:
    """Stems of a member at their places among those of the ensemble, zeros elsewhere."""
    spread = stems.new_zeros((len(weights), *stems.shape[1:]))
    spread[[place for place, weight in enumerate(weights) if weight]] = stems
    return spread


def _least(spectra: Tensor) -> Tensor:
    return spectra.gather(0, spectra.abs().argmin(dim=0, keepdim=True))[0]


def _greatest(spectra: Tensor) -> Tensor:
    return spectra.gather(0, spectra.abs().argmax(dim=0, keepdim=True))[0]


def _median(spectra: Tensor) -> Tensor:
    """Of an even number the mean of the two in the middle."""
    count = len(spectra)
    order = spectra.abs().argsort(dim=0)
    middle = order[(count - 1) // 2 : count // 2 + 1]
    return spectra.gather(0, middle).mean(dim=0)


_PICKS: dict[Method, Callable[[Tensor], Tensor]] = {
    "min": _least,
    "max": _greatest,
    "median": _median,
}
