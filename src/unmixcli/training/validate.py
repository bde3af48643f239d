"""Validation: SI-SDR improvement over the mix, and pitch, by the metrics of the evaluation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.dsp.stft import istft
from unmixcli.metrics import melody
from unmixcli.metrics.ratios import si_sdr_improvement
from unmixcli.models.spectral import JointModel
from unmixcli.pitch.decode import PeakDecoder, PitchRange
from unmixcli.training.excerpts import Batch
from unmixcli.training.objective import Masked, Trainee

# Targets below it (-60 dBFS) are silent and have no ratio.
_SILENT = 1e-6


@dataclass(frozen=True)
class Scores:
    """How good a model is.

    Attributes:
        targets: mean SI-SDR improvement in dB of each target, such as "vocals" or "bass_other".
        pitch: means in 0..1 of the measures of `metrics.melody.evaluate`, of a model that gives
            salience.
    """

    targets: Mapping[str, float] = field(default_factory=dict)
    pitch: Mapping[str, float] = field(default_factory=dict)

    def total(self, *, pitch_weight: float) -> float:
        """One number in dB: the mean over the targets, plus `pitch_weight` times OA.

        Where nothing could be scored, nothing is best either: minus infinity.
        """
        if not self.targets and "OA" not in self.pitch:
            return float("-inf")
        mean = sum(self.targets.values()) / max(1, len(self.targets))
        return mean + pitch_weight * self.pitch.get("OA", 0.0)


@torch.no_grad()
def validate(
    trainee: Trainee,
    batches: Sequence[tuple[str, Batch]],
    *,
    device: torch.device,
    threshold: float = 0.4,
) -> Scores:
    """Score a model on batches that hold one excerpt each.

    From `threshold` on a frame of salience is voiced.
    Silent targets are left out. A target that is the whole mix has no improvement and is left out
    too. Pitch is scored where the excerpt's is known; without a voice there are OA and VFA alone.
    """
    was_training = trainee.training
    trainee.eval()
    stems = trainee.model.settings.stems
    scores: dict[str, list[float]] = defaultdict(list)
    pitch: dict[str, list[float]] = defaultdict(list)
    for _, batch in batches:
        here = batch.to(device)
        masked = trainee(*trainee.inputs(here))
        for names, value in _scores(trainee, masked, here, stems=stems):
            scores[names].append(value)
        for measure, value in _pitch_scores(trainee, masked, here, threshold).items():
            pitch[measure].append(value)
    trainee.train(was_training)
    return Scores(_means(scores), _means(pitch))


def _means(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in scores.items()}


def _pitch_scores(
    trainee: Trainee, masked: Masked, batch: Batch, threshold: float
) -> dict[str, float]:
    model = trainee.model
    if not isinstance(model, JointModel) or masked.salience is None or batch.salience is None:
        return {}
    known = ~batch.salience[0].isnan().any(dim=0)
    if not known.any():
        return {}
    # Targets are 1 at a pitch and blurred beside it, so that any threshold below finds it.
    reference = _f0(batch.salience[0][:, known], axis=model.axis)
    estimate = _f0(masked.salience[0][:, known], axis=model.axis, threshold=threshold)
    # Frames that are left out leave no gap: mir_eval would else fill it from its neighbours.
    times_s = np.arange(len(reference), dtype=np.float64)
    return melody.evaluate(times_s, reference, estimate_times_s=times_s, estimate_hz=estimate)


def _f0(
    salience: Tensor, *, axis: SalienceAxis, threshold: float = 0.5
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The pitch of `(bins, frames)`, 0 where it is unvoiced."""
    decoder = PeakDecoder(axis, within=PitchRange(threshold))
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = decoder.push(salience.cpu()).f0_hz[0]
    return found


def _scores(
    trainee: Trainee, masked: Masked, batch: Batch, *, stems: Sequence[str]
) -> list[tuple[str, float]]:
    spectra = masked.spectra[0]
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
