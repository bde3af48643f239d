"""A track made ready to be scored: the sums that estimates and references share, as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unmixcli.data.tracks import MIX, Target, Track, load_stems, references
from unmixcli.data.tracks.stem_names import coverage, universe
from unmixcli.errors import InputError
from unmixcli.evaluation.estimates import Audio

# −80 dB of full scale over the whole track. Codecs leave such a trace of a stem that is silent,
# and filters that explain estimates by it would explain anything.
SILENT_RMS = 1e-4


@dataclass(frozen=True)
class Material:
    """What estimates of a track are scored against.

    Attributes:
        targets: the sums that both sides can form.
        references: those of the track, `(targets, channels, samples)`.
        silent: which of them hold nothing, so that no ratio is defined.
        alone: which of them are the whole mix, so that there is nothing to separate them from.
        mix: `(channels, samples)`.
        sample_rate: Hz.
        complete: whether the estimates should sum to the mix.
        mixture_sdr: of the mix as an estimate of each target, where NSDR is asked for.
    """

    targets: tuple[Target, ...]
    references: Tensor
    silent: tuple[bool, ...]
    alone: tuple[bool, ...]
    mix: Tensor
    sample_rate: int
    complete: bool
    mixture_sdr: tuple[float, ...] = ()

    @property
    def scored(self) -> list[int]:
        """The rows whose reference holds something, but not everything."""
        pairs = zip(self.silent, self.alone, strict=True)
        return [row for row, unscored in enumerate(pairs) if not any(unscored)]


def load_material(track: Track, stems: Sequence[str], *, may_be_silent: bool = False) -> Material:
    """Read a track for estimates of these stems.

    Raises `InputError` where no stem or sum of stems is on both sides, or every reference is
    silent and may not be, and what `load_stems` raises.
    """
    targets = references(track, stems)
    if not targets:
        raise InputError(
            f"{track.name}: its stems {', '.join(track.stems)} and the estimates "
            f"{', '.join(stems)} have no sum in common"
        )
    loaded, sample_rate = load_stems(track)
    rows = torch.stack([_sum(loaded, target.reference) for target in targets])
    silent = tuple(rms(row) < SILENT_RMS for row in rows)
    if all(silent) and not may_be_silent:
        raise InputError(
            f"{track.name}: every reference is silent ({', '.join(t.name for t in targets)}), "
            "so nothing can be scored"
        )
    mix = torch.from_numpy(loaded[MIX])
    return Material(
        targets=targets,
        references=rows,
        silent=silent,
        alone=tuple(rms(mix - row) < SILENT_RMS for row in rows),
        mix=mix,
        sample_rate=sample_rate,
        complete=_is_complete(stems),
    )


def target_sums(estimates: Mapping[str, Audio], targets: Sequence[Target]) -> Tensor:
    """Stems by name as the sums that are scored, `(targets, channels, samples)`."""
    return torch.stack([_sum(estimates, target.estimate) for target in targets])


def rms(samples: Tensor) -> float:
    """Root mean square of all samples."""
    return float(samples.double().square().mean().sqrt())


def _sum(stems: Mapping[str, Audio], names: Sequence[str]) -> Tensor:
    total = torch.from_numpy(stems[names[0]]).clone()
    for name in names[1:]:
        total += torch.from_numpy(stems[name])
    return total


def _is_complete(stems: Sequence[str]) -> bool:
    everything = universe(stems)
    return frozenset[str]().union(*coverage(stems, of=everything).values()) == everything
