"""One track of a run: which of its scores are to be made, and making them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from unmixcli.data.tracks import Track, has_pitch, read_f0
from unmixcli.errors import InputError
from unmixcli.evaluation.bounds import oracle_estimates
from unmixcli.evaluation.estimates import Estimator
from unmixcli.evaluation.files import score_file
from unmixcli.evaluation.hashes import FileHashes, track_hash
from unmixcli.evaluation.listening import audio_files, write_audio_files
from unmixcli.evaluation.material import Material, load_material, target_sums
from unmixcli.evaluation.measure import TargetScores, measure, null_db, with_mixture_sdr
from unmixcli.evaluation.melody import melody_scores, track_pitch
from unmixcli.evaluation.record import TrackRecord, read_record, target_records
from unmixcli.evaluation.settings import EvalSettings
from unmixcli.version import __version__

StageProgress: TypeAlias = Callable[[float, str], None]

_VOICE = "vocals"


@dataclass(frozen=True)
class Method:
    """The estimator, or an oracle, on the track.

    Attributes:
        name: as reports call it.
        oracle: its name in `unmixcli.metrics.oracles`, None for the estimator.
        fingerprint: what its scores depend on.
    """

    name: str
    oracle: str | None
    fingerprint: Mapping[str, Any]


class TrackJob:
    """A track and what is asked about it."""

    def __init__(
        self, track: Track, estimator: Estimator, settings: EvalSettings, *, folder: Path
    ) -> None:
        self.track = track
        self._estimator = estimator
        self._settings = settings
        self._folder = folder

    def todo(self, hashes: FileHashes) -> list[Method]:
        """The methods without scores that are up to date, the estimator first.

        Raises `InputError` where files of the track or its estimates are missing.
        """
        if self._melody_alone and self._settings.metrics != ("melody",):
            raise InputError(
                f"{self.track.name}: its estimate is pitch without stems; type --metrics melody"
            )
        stems = self._stems
        common = {
            "data": track_hash(self.track, hashes),
            "settings": self._settings.fingerprint,
            # An oracle masks the sums that are scored, and those follow from the stems.
            "stems": list(stems),
            "version": __version__,
        }
        estimates = self._estimator.fingerprint(self.track, hashes)
        own = Method(self._estimator.name, None, {**common, "estimates": estimates})
        bounds = [Method(o, o, {**common, "estimates": o}) for o in self._settings.oracles]
        wanted = [method for method in (own, *bounds) if not self._is_done(method)]
        if own not in wanted and not self._has_audio():
            wanted.insert(0, own)
        return wanted

    def run(self, todo: Sequence[Method], progress: StageProgress) -> tuple[str, ...]:
        """Make scores and, with the estimator's, the audio; return the silent targets."""
        # Old scores must not be read as this track's if it fails or is broken off.
        for method in todo:
            self._file(method.oracle).unlink(missing_ok=True)
        progress(0.0, "reading")
        material = with_mixture_sdr(self._material(), self._settings)
        for number, method in enumerate(todo):
            done, each = number / len(todo), 1 / len(todo)
            if method.oracle is None:
                self._score_estimator(method, material, _part(progress, done, each))
            else:
                progress(done, f"scoring {method.name}")
                self._score(method, material, oracle_estimates(method.oracle, material))
        pairs = zip(material.targets, material.silent, strict=True)
        return tuple(target.name for target, silent in pairs if silent)

    def forget(self) -> None:
        """Remove all scores of the track."""
        for oracle in (None, *self._settings.oracles):
            self._file(oracle).unlink(missing_ok=True)

    def _score_estimator(self, method: Method, material: Material, progress: StageProgress) -> None:
        if self._melody_alone:
            progress(0.5, f"scoring {method.name}")
            self._score(method, material, None)
            return
        stems = self._estimator.estimate(
            self.track,
            material.mix.numpy(),
            sample_rate=material.sample_rate,
            share=lambda share: progress(share / 2, "separating"),
        )
        estimates = target_sums(stems, material.targets)
        if self._settings.audio:
            progress(0.5, "writing stems")
            write_audio_files(self._folder, self.track.name, material, estimates)
        progress(0.5, f"scoring {method.name}")
        null = null_db(material, torch.stack([torch.from_numpy(stem) for stem in stems.values()]))
        self._score(method, material, estimates, null_db=null)

    def _score(
        self,
        method: Method,
        material: Material,
        estimates: Tensor | None,
        *,
        null_db: float = math.nan,
    ) -> None:
        """Write the scores of estimates; None has scores of the melody alone."""
        scores = [TargetScores() for _ in material.targets]
        if estimates is not None:
            scores = measure(material, estimates, self._settings)
        for row, target in enumerate(material.targets):
            if target.name == _VOICE:
                voice = None if estimates is None else estimates[row]
                scores[row].values.update(self._melody(method, material, voice))
        facts = {
            "duration_s": material.mix.shape[-1] / material.sample_rate,
            "sample_rate": material.sample_rate,
        }
        TrackRecord(
            track=self.track.name,
            method=method.name,
            fingerprint=method.fingerprint,
            targets=target_records(material, scores),
            facts=facts if math.isnan(null_db) else {**facts, "null_db": null_db},
            notes=self.track.notes,
        ).write(self._file(method.oracle))

    def _melody(self, method: Method, material: Material, voice: Tensor | None) -> dict[str, float]:
        annotated = read_f0(self.track) if "melody" in self._settings.metrics else None
        if annotated is None:
            return {}
        found, rate = None, material.sample_rate
        if method.oracle is None:
            found = self._estimator.melody(self.track, material.mix.numpy(), sample_rate=rate)
        if found is None and voice is not None:
            found = track_pitch(voice, sample_rate=rate)
        return {} if found is None else melody_scores(annotated, found)

    def _material(self) -> Material:
        # Pitch can be scored where nobody sings: none should be found.
        has_melody = "melody" in self._settings.metrics and has_pitch(self.track)
        return load_material(self.track, self._stems, may_be_silent=has_melody)

    @property
    def _stems(self) -> tuple[str, ...]:
        """Those that are scored: the voice, where there is a melody alone."""
        return self._estimator.stems(self.track) or (_VOICE,)

    @property
    def _melody_alone(self) -> bool:
        return not self._estimator.stems(self.track)

    def _is_done(self, method: Method) -> bool:
        record = read_record(self._file(method.oracle))
        return record is not None and record.fingerprint == method.fingerprint

    def _has_audio(self) -> bool:
        if not self._settings.audio or self._melody_alone:
            return True
        record = read_record(self._file(None))
        names = [] if record is None else [target.name for target in record.targets]
        files = audio_files(self._folder, self.track.name, names).values()
        return all(path.is_file() for path in files)

    def _file(self, oracle: str | None) -> Path:
        return score_file(self._folder, self.track.name, oracle=oracle)


def _part(progress: StageProgress, start: float, length: float) -> StageProgress:
    """Progress of one part, as that of the whole."""
    return lambda share, stage: progress(start + length * share, stage)
