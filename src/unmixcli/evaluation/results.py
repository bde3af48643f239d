"""A run read back from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmixcli.errors import InputError
from unmixcli.evaluation.files import RUN_FILE, score_file
from unmixcli.evaluation.record import TrackRecord, read_record


@dataclass(frozen=True)
class RunResults:
    """What a run left.

    Attributes:
        folder: of the run.
        method: the model's or tool's name.
        dataset: its name.
        splits: those of its tracks.
        settings: metrics, window and hop in seconds, device.
        tracks: names of all tracks, in the order of the data set.
        records: of each method, the estimator first, by track; a failed track has none.
        failures: why tracks have no scores.
    """

    folder: Path
    method: str
    dataset: str
    splits: tuple[str, ...]
    settings: Mapping[str, Any]
    tracks: tuple[str, ...]
    records: Mapping[str, Mapping[str, TrackRecord]]
    failures: Mapping[str, str]

    @property
    def own(self) -> Mapping[str, TrackRecord]:
        """The estimator's records by track."""
        return self.records[self.method]


def read_run(folder: Path) -> RunResults:
    """Read the folder that `evaluate` wrote; `InputError` where it is none."""
    path = folder / RUN_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        method = facts["method"]
        tracks = tuple(facts["tracks"])
        oracles = {name: name for name in facts["oracles"]}
        records = {
            name: _records(folder, facts, method=name, oracle=oracle)
            for name, oracle in {method: None, **oracles}.items()
        }
        return RunResults(
            folder=folder,
            method=method,
            dataset=facts["dataset"],
            splits=tuple(facts["splits"]),
            settings=facts["settings"],
            tracks=tracks,
            records=records,
            failures=facts["failures"],
        )
    except FileNotFoundError:
        raise InputError(
            f"{folder}: is no run: it has no {RUN_FILE}; make one by unmix eval --out {folder}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run unmix eval again") from error


def _records(
    folder: Path, facts: Mapping[str, Any], *, method: str, oracle: str | None
) -> dict[str, TrackRecord]:
    """The records of this run; a run that was broken off may have left others of an older one."""
    found = {}
    for track in facts["tracks"]:
        record = read_record(score_file(folder, track, oracle=oracle))
        if record is not None and (record.method, record.fingerprint.get("settings")) == (
            method,
            facts["settings"],
        ):
            found[track] = record
    return found
