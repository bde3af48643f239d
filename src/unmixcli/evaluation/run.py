"""A run: each track separated and scored by itself; a failure of one is no failure of the others.

What is done is known from the scores on disk, by the hashes in them: a broken-off run goes on
where it stopped, a changed model, setting or song is done again.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from unmixcli.data.tracks import Manifest, Track
from unmixcli.errors import InputError, UnmixError, UsageError
from unmixcli.evaluation.estimates import Estimator
from unmixcli.evaluation.events import (
    Event,
    Failed,
    Finished,
    Listener,
    Progress,
    Skipped,
    Started,
    Summary,
)
from unmixcli.evaluation.files import (
    RUN_FILE,
    safe_name,
    score_file,
    scores_folder,
    write_text,
)
from unmixcli.evaluation.hashes import FileHashes
from unmixcli.evaluation.interrupt import Cancelled, Stoppable
from unmixcli.evaluation.job import TrackJob
from unmixcli.evaluation.record import read_record
from unmixcli.evaluation.settings import EvalSettings
from unmixcli.pool import run_all
from unmixcli.version import __version__


def evaluate(
    manifest: Manifest,
    estimator: Estimator,
    settings: EvalSettings,
    *,
    folder: Path,
    listener: Listener,
    jobs: int = 1,
) -> Summary:
    """Score every track; those that fail are told and the rest goes on.

    Args:
        manifest: the tracks.
        estimator: what gives the estimates.
        settings: what is measured.
        folder: of the run; scores in it that are up to date are kept.
        listener: is told what happens, from any thread, one event at a time.
        jobs: tracks at a time; the scores do not depend on it.

    Raises:
        InputError: no tracks, or two whose files would have one name.
        UsageError: an estimator with the name of one of the oracles.
        ResourceError: a folder that cannot be written to.
    """
    _check_names(manifest)
    if estimator.name in settings.oracles:
        raise UsageError(
            f"{estimator.name} is the name of an oracle too; rename the folder, or leave --oracle "
            f"{estimator.name} out"
        )
    summary, lock = Summary(), threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            summary.count(event)
            listener(event)

    facts = _run_facts(manifest, estimator, settings)
    _drop_other_tracks(folder, manifest, settings)
    write_text(folder / RUN_FILE, _as_json(facts))
    run = _Run(estimator, settings, tell, folder=folder, manifest=manifest)
    tracks = enumerate(manifest.tracks)
    run_all(lambda item: run.track(*item), tracks, jobs=jobs, stop=run.threads.stop)
    failures = {track.name: summary.failures.get(track.name) for track in manifest.tracks}
    told = {name: reason for name, reason in failures.items() if reason is not None}
    write_text(folder / RUN_FILE, _as_json({**facts, "failures": told}))
    return summary


def _drop_other_tracks(folder: Path, manifest: Manifest, settings: EvalSettings) -> None:
    """Remove our scores of tracks that this run has not: museval reads all that lie there."""
    for oracle in (None, *settings.oracles):
        kept = {score_file(folder, track.name, oracle=oracle) for track in manifest.tracks}
        for path in scores_folder(folder, oracle=oracle).glob("*.json"):
            if path not in kept and read_record(path) is not None:
                path.unlink(missing_ok=True)


def _check_names(manifest: Manifest) -> None:
    if not manifest.tracks:
        raise InputError(f"{manifest.dataset} has no tracks to evaluate")
    names: dict[str, str] = {}
    for track in manifest.tracks:
        # Some file systems do not tell upper from lower case.
        plain = safe_name(track.name).lower()
        if plain in names:
            raise InputError(
                f"{manifest.dataset} has two tracks for the file name {plain!r}: "
                f"{names[plain]} and {track.name}; rename one"
            )
        names[plain] = track.name


def _check_stems(track: Track, estimates: Sequence[str], *, everywhere: Set[str]) -> None:
    """Refuse a track whose `other` may or may not hold a stem that the other tracks have apart."""
    if "other" not in track.stems or "other" not in estimates:
        return
    words = {word for name in track.stems for word in name.split("_")}
    lacking = sorted(name for name in everywhere & set(estimates) if name not in words)
    if lacking:
        raise InputError(
            f"{track.name}: its reference lacks {', '.join(lacking)}, which other tracks have; "
            "add a silent file where nothing plays"
        )


def _run_facts(
    manifest: Manifest, estimator: Estimator, settings: EvalSettings
) -> Mapping[str, Any]:
    splits = sorted({track.split for track in manifest.tracks if track.split})
    return {
        "dataset": manifest.dataset,
        "splits": splits,
        "method": estimator.name,
        "oracles": list(settings.oracles),
        "settings": settings.fingerprint,
        "tracks": [track.name for track in manifest.tracks],
        "failures": {},
        "version": __version__,
    }


def _as_json(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


class _Run:
    """What the tracks of one run share."""

    def __init__(
        self,
        estimator: Estimator,
        settings: EvalSettings,
        tell: Listener,
        *,
        folder: Path,
        manifest: Manifest,
    ) -> None:
        self.threads = Stoppable()
        self._estimator = estimator
        self._settings = settings
        self._tell = tell
        self._folder = folder
        self._total = len(manifest.tracks)
        self._all_stems = {name for track in manifest.tracks for name in track.stems}
        self._hashes = FileHashes()

    def track(self, index: int, track: Track) -> None:
        """Do one track, or tell why not."""
        job = TrackJob(track, self._estimator, self._settings, folder=self._folder)
        try:
            with self.threads.working():
                self._one(index, job)
        except Cancelled:
            return
        except UnmixError as error:
            # Old scores must not be read as those of a track that cannot be scored now.
            job.forget()
            self._fail(index, job, str(error))
        except MemoryError:
            self._fail(index, job, f"{track.name}: out of memory")
        except Exception as error:
            if os.environ.get("UNMIX_DEBUG"):
                traceback.print_exc()
            kind = type(error).__name__
            self._fail(index, job, f"{track.name}: internal error ({kind}: {error})")

    def _one(self, index: int, job: TrackJob) -> None:
        started, name = time.perf_counter(), job.track.name
        _check_stems(job.track, self._estimator.stems(job.track), everywhere=self._all_stems)
        todo = job.todo(self._hashes)
        if not todo:
            self._tell(Skipped(index, name))
            return
        self._tell(Started(index, self._total, name))

        silent = job.run(todo, lambda share, stage: self._tell(Progress(index, share, stage)))
        self._tell(Finished(index, name, time.perf_counter() - started, silent))

    def _fail(self, index: int, job: TrackJob, reason: str) -> None:
        named = reason if job.track.name in reason else f"{job.track.name}: {reason}"
        self._tell(Failed(index, job.track.name, named))
