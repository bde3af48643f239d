"""Validation: SI-SDR improvement of a model over the mix, by the metrics of the evaluation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from unmixcli.dsp.stft import istft
from unmixcli.metrics.ratios import si_sdr_improvement
from unmixcli.training.excerpts import Batch
from unmixcli.training.objective import Trainee

# Targets below it (-60 dBFS) are silent and have no ratio.
_SILENT = 1e-6


@torch.no_grad()
def validate(
    trainee: Trainee, batches: Sequence[tuple[str, Batch]], *, device: torch.device
) -> dict[str, float]:
    """Mean SI-SDR improvement in dB of each target, such as "vocals" or "bass_other".

    Batches hold one excerpt each. Silent targets are left out. A target that is the whole mix has
    no improvement and is left out too.
    """
    was_training = trainee.training
    trainee.eval()
    stems = trainee.model.settings.stems
    scores: dict[str, list[float]] = defaultdict(list)
    for _, batch in batches:
        here = batch.to(device)
        for names, value in _scores(trainee, here, stems=stems):
            scores[names].append(value)
    trainee.train(was_training)
    return {names: sum(values) / len(values) for names, values in scores.items()}


def _scores(trainee: Trainee, batch: Batch, *, stems: Sequence[str]) -> list[tuple[str, float]]:
    spectra = trainee(batch.mix).spectra[0]
    waveforms = istft(spectra, config=trainee.model.settings.stft, samples=batch.mix.shape[-1])
    estimates = torch.einsum("ts,scn->tcn", batch.groups[0], waveforms)
    found = []
    for row in torch.nonzero(batch.known[0]).flatten().tolist():
        members = torch.nonzero(batch.groups[0, row]).flatten().tolist()
        value = _improvement(batch.targets[0, row], estimates[row], batch.mix[0])
        if math.isfinite(value):
            found.append(("_".join(stems[member] for member in members), value))
    return found


def _improvement(target: Tensor, estimate: Tensor, mix: Tensor) -> float:
    if target.square().mean() < _SILENT or (target - mix).square().mean() < _SILENT:
        return math.nan
    return float(si_sdr_improvement(target[None], estimate[None], mixture=mix))
