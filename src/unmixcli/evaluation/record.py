"""The scores of a track on disk: JSON that museval reads, with our further measures beside.

museval knows `targets`, their `name` and their `frames` with SDR, ISR, SIR and SAR. What it does
not know is under the key `unmix`, where it never looks: of the track, and of each target. Numbers
have five decimals, as museval's; keys are sorted and there is no date, so that the same scores
are the same bytes. As in museval, an infinite score of a frame is written NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unmixcli.evaluation.files import write_text
from unmixcli.evaluation.material import Material
from unmixcli.evaluation.measure import Frames, TargetScores

_DECIMALS = 5
_V4 = ("SDR", "ISR", "SIR", "SAR")
_V3 = ("SDR", "SIR", "SAR")


@dataclass(frozen=True)
class TargetRecord:
    """One target of a track.

    Attributes:
        estimate: the stems of the method whose sum it is.
        reference: the stems of the track whose sum it is.
        silent: whether the reference holds nothing.
        alone: whether it is the whole mix, so that there is nothing to separate it from.
        scores: what was measured.
    """

    name: str
    estimate: tuple[str, ...]
    reference: tuple[str, ...]
    silent: bool
    alone: bool
    scores: TargetScores


@dataclass(frozen=True)
class TrackRecord:
    """One method on one track.

    Attributes:
        track: its name.
        method: the model's, tool's or oracle's name.
        fingerprint: what the scores depend on.
        targets: their scores.
        facts: `duration_s`, `sample_rate` and, where stems should sum to the mix, `null_db`.
        notes: what a report should say about the track.
    """

    track: str
    method: str
    fingerprint: Mapping[str, Any]
    targets: tuple[TargetRecord, ...]
    facts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write it whole or not at all; `ResourceError` if the folder or the disk refuse."""
        write_text(path, json.dumps(self.to_json(), sort_keys=True, indent=1) + "\n")

    def to_json(self) -> dict[str, Any]:
        """What the file holds."""
        return {
            "targets": [
                _target_to_json(target, duration_s=self.facts.get("duration_s", 0.0))
                for target in self.targets
            ],
            "unmix": {
                "track": self.track,
                "method": self.method,
                "fingerprint": self.fingerprint,
                "facts": _numbers(self.facts),
                "notes": list(self.notes),
            },
        }


def read_record(path: Path) -> TrackRecord | None:
    """The record at `path`; None if there is none, or it is none of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        own = content["unmix"]
        return TrackRecord(
            track=own["track"],
            method=own["method"],
            fingerprint=own["fingerprint"],
            targets=tuple(_target_from_json(target) for target in content["targets"]),
            facts=_floats(own["facts"]),
            notes=tuple(own["notes"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def target_records(material: Material, scores: Sequence[TargetScores]) -> tuple[TargetRecord, ...]:
    """The targets of a track with their scores."""
    return tuple(
        TargetRecord(
            name=target.name,
            estimate=target.estimate,
            reference=target.reference,
            silent=material.silent[row],
            alone=material.alone[row],
            scores=scores[row],
        )
        for row, target in enumerate(material.targets)
    )


def _target_to_json(target: TargetRecord, *, duration_s: float) -> dict[str, Any]:
    scores = target.scores
    own: dict[str, Any] = {
        "estimate": list(target.estimate),
        "reference": list(target.reference),
        "silent": target.silent,
        "alone": target.alone,
        "values": _numbers(scores.values),
    }
    if scores.windows is not None:
        own["windows"] = _frames_to_json(scores.windows, _V3)
    # museval reads no target without frames, so one without scores stands for none.
    nothing = dict.fromkeys(_V4, np.array([math.nan]))
    unscored = Frames(np.zeros(1), duration_s, nothing, np.zeros(1, dtype=np.bool_))
    frames = _frames_to_json(scores.frames or unscored, _V4)
    if scores.frames is not None:
        own["ill_conditioned"] = np.flatnonzero(scores.frames.ill_conditioned).tolist()
    return {"name": target.name, "frames": frames, "unmix": own}


def _target_from_json(content: Mapping[str, Any]) -> TargetRecord:
    own = content["unmix"]
    ill = own.get("ill_conditioned")
    scores = TargetScores(
        frames=None if ill is None else _frames_from_json(content["frames"], _V4, ill),
        windows=_frames_from_json(own["windows"], _V3, []) if "windows" in own else None,
        values=_floats(own["values"]),
    )
    return TargetRecord(
        name=content["name"],
        estimate=tuple(own["estimate"]),
        reference=tuple(own["reference"]),
        silent=bool(own["silent"]),
        alone=bool(own["alone"]),
        scores=scores,
    )


def _frames_to_json(frames: Frames, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "time": _rounded(start),
            "duration": _rounded(frames.duration_s),
            "metrics": {name: _rounded(frames.scores[name][at]) for name in names},
        }
        for at, start in enumerate(frames.start_s)
    ]


def _frames_from_json(
    content: Sequence[Mapping[str, Any]], names: Sequence[str], ill: Sequence[int]
) -> Frames:
    flags = np.zeros(len(content), dtype=np.bool_)
    flags[list(ill)] = True
    return Frames(
        start_s=np.array([frame["time"] for frame in content], dtype=np.float64),
        duration_s=float(content[0]["duration"]),
        scores={
            name: np.array([frame["metrics"][name] for frame in content], dtype=np.float64)
            for name in names
        },
        ill_conditioned=flags,
    )


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    rounded = {name: _rounded(value) for name, value in values.items()}
    return {name: None if math.isnan(value) else value for name, value in rounded.items()}


def _floats(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def _rounded(number: float) -> float:
    # Adding zero makes −0.0 an ordinary zero.
    return round(float(number), _DECIMALS) + 0.0 if math.isfinite(number) else math.nan
