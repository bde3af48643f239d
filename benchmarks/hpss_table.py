"""Table 1 of Drossos et al. (2018) beside the same rows on a data set: Markdown for the docs.

    python -m benchmarks.hpss_table --data FOLDER --write

Scores are kept below `--scores`: what is there of the same audio and the same model is not
measured again, so remove them where a method has changed. Learned rows are those of `--models`,
names or folders; one that is not there says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch

from benchmarks.hpss_scores import (
    MEASURES,
    RATE,
    Case,
    Scores,
    Song,
    do_nothing,
    find_songs,
    measure,
    of_method,
    of_session,
    of_truth,
)
from benchmarks.kept import card_facts
from benchmarks.report import markdown, parser, publish
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.errors import UsageError
from unmixcli.evaluation.bootstrap import interval
from unmixcli.evaluation.hashes import digest
from unmixcli.hpss.kam import SETTINGS, KernelMethod
from unmixcli.hpss.median import LIBROSA, MedianMethod
from unmixcli.hpss.session import HPSSOptions, select_method, setting_of

STEMS = ("percussive", "harmonic")
"""In the order of the paper's columns."""

TITLES = {
    "1": "Setting 1: Hamming windows of 46 ms, transforms of 4096, hop 384",
    "2": "Setting 2: Hamming windows of 93 ms, hop 1024",
    "own": "Transforms of their own",
}

PUBLISHED = {
    "1": {
        "KAM": (1.42, 0.44, 3.76, 6.60, 6.71, 17.66, 4.01, 3.57, 10.71),
        "MaD TwinNet, mixture": (3.35, 4.65, 6.10, 8.62, 14.22, 10.75, 5.99, 9.44, 8.43),
        "MaD TwinNet, pu": (3.35, 4.66, 6.08, 8.58, 14.45, 10.59, 5.97, 9.55, 8.34),
    },
    "2": {
        "KAM": (0.98, 5.03, 1.17, 6.35, 6.58, 18.51, 3.66, 5.80, 8.67),
        "MaD TwinNet, mixture": (3.60, 4.73, 6.07, 8.70, 12.84, 11.78, 6.15, 8.79, 8.92),
        "MaD TwinNet, pu": (3.59, 4.76, 6.00, 8.69, 13.11, 11.57, 6.14, 8.94, 8.78),
    },
    "own": {},
}
"""Medians in dB as printed: percussive SDR, SIR and SAR, then harmonic, then both on average."""

MODELS = {"hpss-mad-twinnet-1": "1", "hpss-mad-twinnet": "2", "hpss-mdensenet": "own"}
"""The learned rows by default, and where they stand while they are not there."""

_CHECKED_S = 10
# The mix has no artifacts but those of rounding.
_NO_ARTIFACTS_DB = 100


@dataclass(frozen=True)
class Missing:
    """A model that is not there."""

    method: str
    setting: str


def classical_cases() -> list[Case]:
    """What needs no training, the fastest first."""
    return [
        Case("mixture as estimate", "own", do_nothing, phases=("mixture",)),
        Case("oracle", "2", of_truth(SETTINGS[2])),
        Case("median", "own", of_method(MedianMethod(LIBROSA))),
        Case("median", "2", of_method(MedianMethod(SETTINGS[2]))),
        Case("hpr", "own", of_session("hpr")),
        Case("hpr, residual halved", "own", of_session("hpr", residual_share=0.5)),
        Case("kam-published", "2", of_method(KernelMethod(SETTINGS[2], RATE, published=True))),
        Case("kam", "2", of_method(KernelMethod(SETTINGS[2], RATE))),
        Case("oracle", "1", of_truth(SETTINGS[1])),
        Case("median", "1", of_method(MedianMethod(SETTINGS[1]))),
        Case("kam-published", "1", of_method(KernelMethod(SETTINGS[1], RATE, published=True))),
        Case("kam", "1", of_method(KernelMethod(SETTINGS[1], RATE))),
    ]


def learned_case(name: str) -> Case | Missing:
    """A model in the setting whose transform it has."""
    try:
        choice, _ = select_method(name, options=HPSSOptions())
    except UsageError:
        return Missing(name, MODELS.get(name, "own"))
    model = choice.model
    if not model.installed:
        return Missing(model.name, MODELS.get(model.name, "own"))
    of = digest(card_facts(model.card))
    setting = str(setting_of(model.card) or "own")
    return Case(model.name, setting, of_session(name), of=of)


def section(
    setting: str, rows: Sequence[Case | Missing], *, songs: Sequence[Song], scores: Scores
) -> str:
    """One table: rows of the paper, then ours."""
    found = [
        [f"*paper: {name}*", *map(_number, values)] for name, values in PUBLISHED[setting].items()
    ]
    for row in rows:
        if isinstance(row, Missing):
            found.append([row.method, "not trained", *[""] * 8])
            continue
        for phase in row.phases:
            found.append([f"{row.method}, {phase}", *_row(row, phase, songs, scores)])
    headings = [f"{side} {name}" for side in (*STEMS, "average") for name in MEASURES]
    return f"### {TITLES[setting]}\n\n{markdown(['', *headings], found)}"


def unheard(rows: Sequence[Case | Missing], *, songs: Sequence[Song], scores: Scores) -> str:
    """The SDRs of tracks whose artist the learned rows were not trained on."""
    found = []
    for row in _by_name(rows):
        if isinstance(row, Case):
            cells = _row(row, "mixture", songs, scores)
            sdrs = [cells[0], cells[len(MEASURES)]]
            found.append([f"{row.method}, {TITLES[row.setting].split(':')[0].lower()}", *sdrs])
    names = ", ".join(song.track.name for song in songs)
    headings = ["", *(f"{side} SDR" for side in STEMS)]
    return (
        "### Artists that no model was trained on, phase of the mixture\n\n"
        f"{names}.\n\n{markdown(headings, found)}"
    )


def _row(case: Case, phase: str, songs: Sequence[Song], scores: Scores) -> list[str]:
    tracks = [scores.read(case, phase, song) for song in songs]
    if None in tracks:
        return ["not measured", *[""] * 8]
    heard = [track for track in tracks if track and track["start_s"]]
    values = [[_values(t, stem, name) for t in heard] for stem in STEMS for name in MEASURES]
    medians = [float(np.median(np.concatenate(column))) for column in values]
    half = len(MEASURES)
    means = [(one + two) / 2 for one, two in zip(medians[:half], medians[half:], strict=True)]
    cells = [_number(value) for value in (*medians, *means)]
    for column in (0, half):
        low, high = interval(values[column], "median")
        cells[column] += f" [{_number(low)}, {_number(high)}]"
    return cells


def _values(track: Mapping[str, Any], stem: str, name: str) -> np.ndarray:
    return np.array(track[stem][name], dtype=np.float64)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "∞" if value > _NO_ARTIFACTS_DB else f"{value:.2f}".replace("-", "−")


def librosa_difference(songs: Sequence[Song]) -> float:
    """Of our medians from librosa's at the beginning of every song, relative to its peak."""
    worst = 0.0
    for song in songs:
        beginning = song.mix[:, : _CHECKED_S * RATE]
        for config in (LIBROSA, *SETTINGS.values()):
            worst = max(worst, _difference(beginning, config))
    return worst


def _difference(mix: torch.Tensor, config: STFTConfig) -> float:
    magnitudes = stft(mix, config=config).abs()
    ours = MedianMethod(config).masks(magnitudes.unsqueeze(0))[0, :, 0] * magnitudes
    theirs = np.stack(librosa.decompose.hpss(magnitudes[0].numpy()))
    return float(np.abs(ours.numpy() - theirs).max() / theirs.max())


def tracks_line(songs: Sequence[Song], scores: Scores, case: Case) -> str:
    """Which tracks there are, and how many windows of each count."""
    counts = {
        song.track.name: len(found["start_s"])
        for song in songs
        if (found := scores.read(case, case.phases[0], song)) is not None
    }
    named = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{sum(counts.values())} windows of {len(counts)} tracks: {named}."


def tables(
    rows: Sequence[Case | Missing], *, songs: Sequence[Song], scores: Scores, heard: Sequence[str]
) -> str:
    """All that stands in the docs."""
    first = next(row for row in rows if isinstance(row, Case))
    parts = [tracks_line(songs, scores, first)]
    for setting in TITLES:
        own = [row for row in rows if row.setting == setting]
        parts.append(section(setting, _by_name(own), songs=songs, scores=scores))
    new = [song for song in songs if not any(name in song.track.name for name in heard)]
    if 0 < len(new) < len(songs):
        parts.append(unheard(rows, songs=new, scores=scores))
    return "\n\n".join(part.strip() for part in parts)


def _by_name(rows: Sequence[Case | Missing]) -> list[Case | Missing]:
    """The floor first and the ceiling last; methods as they come."""
    ranks = {"mixture as estimate": -1, "oracle": 1}
    return sorted(rows, key=lambda row: ranks.get(row.method, 0))


def main(arguments: list[str] | None = None) -> None:
    known = parser(__doc__)
    known.add_argument("--data", type=Path, required=True, help="a data set, as of unmix eval")
    known.add_argument("--models", nargs="*", default=list(MODELS), help="names or folders")
    known.add_argument(
        "--scores", type=Path, default=Path("evaluation/hpss"), help="where scores are kept"
    )
    known.add_argument(
        "--heard",
        nargs="*",
        default=["francium"],
        help="parts of the names of tracks whose artist the models were trained on",
    )
    options = known.parse_args(arguments)
    songs, scores = find_songs(options.data), Scores(options.scores)
    rows = [*classical_cases(), *map(learned_case, options.models)]
    measure([row for row in rows if isinstance(row, Case)], songs, scores)
    check = f"\n\nOurs and librosa's medians differ by {librosa_difference(songs):.0e} of the peak."
    text = tables(rows, songs=songs, scores=scores, heard=options.heard) + check
    publish("hpss", text, write=options.write, page="reproductions.md")


if __name__ == "__main__":
    main()
