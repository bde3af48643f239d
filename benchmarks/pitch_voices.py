"""Two voices at once, alone and over backings: which of them is found, in Markdown for the docs.

    python -m benchmarks.pitch_voices --data FOLDER --write

A duet is the true vocals of two tracks, at one level, from their beginnings to the end of the
shorter. Its reference is what two trackers agree on, on each voice by itself; a frame counts where
they agree on both. Methods that are not installed are left out, and the page says so.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from benchmarks.pitch_scores import (
    TOLERANCE_CENTS,
    Audio,
    Case,
    Curves,
    Item,
    agreement,
    find_items,
    measure,
)
from benchmarks.pitch_table import LONGEST_S, OTHER, Plan, case_of, trackers_on_truth
from benchmarks.report import markdown, parser, publish
from unmixcli.evaluation.estimates import Melody
from unmixcli.metrics.melody import multi_f0
from unmixcli.pitch.f0 import Voices
from unmixcli.pitch.session import PitchSession, open_pitch

DUETS = (
    ("safiye-over-mdn", "goekhan-over-mdn"),
    ("goekhan-over-francium", "safiye-over-francium"),
    ("vocadito-over-mdn", "safiye-over-francium"),
    ("vocadito-over-francium", "goekhan-over-mdn"),
)
"""Names of two tracks each; the backing is that of the first."""

TEACHERS = ("deep-salience-multif0", "deep-salience-vocal")

TITLES = {"Two voices alone": False, "Two voices over a backing": True}
"""Of the tables, and whether there is a backing."""

MEASURES = ("both", "precision", "recall", "accuracy")

Ragged = Sequence[NDArray[np.float64]]
Scores = Mapping[str, float]


@dataclass(frozen=True)
class Duet:
    """Two voices and what is known of them.

    Attributes:
        name: of both.
        rate: Hz.
        voices: `(channels, samples)`, both at one level.
        backing: of the first track, `(channels, samples)`, as loud as one of the voices.
        times_s: of the frames that count.
        f0_hz: of the voices in these frames, `(2, frames)`, 0 where one is silent.
        kept: which frames of a curve count.
    """

    name: str
    rate: int
    voices: Audio
    backing: Audio
    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @property
    def together(self) -> NDArray[np.bool_]:
        """Where both sing, of the frames that count."""
        both: NDArray[np.bool_] = (self.f0_hz[0] > 0) & (self.f0_hz[1] > 0)
        return both


def duet(one: Item, other: Item, curves: Curves, trackers: tuple[Case, Case]) -> Duet:
    """Two tracks of one rate, whose curves of the trackers must be there."""
    if one.rate != other.rate:
        raise ValueError(f"{one.name} and {other.name} have two rates: {one.rate}, {other.rate}")
    samples = min(one.vocals.shape[1], other.vocals.shape[1])
    first, second, mix = (part[:, :samples] for part in (one.vocals, other.vocals, one.mix))
    lines, known = zip(*(_line(item, curves, trackers) for item in (one, other)), strict=True)
    frames = min(len(line[0]) for line in lines)
    frames = min(frames, 1 + int(100 * samples / one.rate))
    kept: NDArray[np.bool_] = known[0][:frames] & known[1][:frames]
    return Duet(
        f"{one.name} + {other.name}",
        one.rate,
        first + second * (_level(first) / _level(second)),
        mix - first,
        lines[0][0][:frames][kept],
        np.stack([line[1][:frames][kept] for line in lines]),
        kept,
    )


def _line(
    item: Item, curves: Curves, trackers: tuple[Case, Case]
) -> tuple[Melody, NDArray[np.bool_]]:
    """What both trackers find in a voice, on the whole grid, and where they agree."""
    one, other = (curves.read(tracker, item) for tracker in trackers)
    assert one is not None
    assert other is not None
    truth = agreement(one, other)
    assert truth.kept is not None
    f0_hz = np.zeros(len(one[0]))
    f0_hz[truth.kept] = truth.f0_hz
    return (one[0], f0_hz), truth.kept


def _level(voice: Audio) -> float:
    """Root mean square of the blocks of 2048 samples that are within 30 dB of the loudest."""
    blocks = voice[:, : voice.shape[1] // 2048 * 2048].reshape(len(voice), -1, 2048)
    power = np.mean(blocks.astype(np.float64) ** 2, axis=(0, 2))
    return float(np.sqrt(power[power > 1e-3 * power.max()].mean()))


def scored(truth: Duet, frames: Ragged) -> dict[str, float]:
    """The measures of an estimate on its whole grid; `both` is of the frames in which both sing."""
    heard = [frame for frame, kept in zip(frames, truth.kept, strict=False) if kept]
    reference = Voices(truth.times_s, truth.f0_hz, truth.f0_hz).ragged()
    found = multi_f0(truth.times_s, reference, estimate_times_s=truth.times_s, estimate_hz=heard)
    both = [
        all(_is_near(hz, estimate) for hz in frame)
        for frame, estimate, sung in zip(truth.f0_hz.T, heard, truth.together, strict=True)
        if sung
    ]
    return {
        "both": mean(both),
        "precision": found["Precision"],
        "recall": found["Recall"],
        "accuracy": found["Accuracy"],
    }


def _is_near(hz: float, estimate: NDArray[np.float64]) -> bool:
    return bool((np.abs(1200 * np.log2(estimate / hz)) <= TOLERANCE_CENTS).any())


def plans(model: str, separator: str) -> list[Plan]:
    """The rows; the last looks for one voice, as a floor."""
    found = [Plan(name, OTHER, name, polyphonic=True) for name in (model, *TEACHERS)]
    for name in TEACHERS:
        title = f"{separator}, then {name}"
        found.append(Plan(title, OTHER, name, separator, polyphonic=True))
    return [*found, Plan(f"{separator}, then SwiftF0: one voice", OTHER, "swiftf0", separator)]


def frames_of(session: PitchSession, audio: Audio, *, rate: int) -> Ragged:
    """The frequencies of each frame of 10 ms."""
    if session.choice.options.polyphonic:
        return session.find_voices(audio, sample_rate=rate).ragged()
    f0_hz = session.find(audio, sample_rate=rate).f0_hz
    return [np.array([hz]) if hz > 0 else np.zeros(0) for hz in f0_hz]


def page(rows: Mapping[str, Mapping[str, Scores]], duets: Sequence[Duet], absent: str) -> str:
    """What goes into the docs: a table alone, one over backings.

    Args:
        rows: means by name of the row and title of the table.
        duets: what was heard.
        absent: names of what is not installed.
    """
    told = "; ".join(
        f"{d.name}: {d.kept.mean():.0%} of {len(d.kept) / 100:.0f} s kept, "
        f"both sing in {d.together.mean():.0%}"
        for d in duets
    )
    parts = [f"Means over {len(duets)} duets. {told}."]
    for title in TITLES:
        cells = [
            [name, *(f"{found[title][measure]:.3f}" for measure in MEASURES)]
            for name, found in rows.items()
        ]
        parts.append(f"### {title}\n\n{markdown(['', *MEASURES], cells)}")
    if absent:
        parts.append(f"Not installed, so left out: {absent}.")
    return "\n\n".join(parts)


def _means(session: PitchSession, duets: Sequence[Duet]) -> dict[str, Scores]:
    """By title of the table."""
    found: dict[str, Scores] = {}
    for title, backed in TITLES.items():
        scores = [
            scored(d, frames_of(session, d.voices + d.backing if backed else d.voices, rate=d.rate))
            for d in duets
        ]
        found[title] = {name: mean(each[name] for each in scores) for name in MEASURES}
    return found


def _parser() -> ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--data", required=True, type=Path, help="a data set with the tracks")
    made.add_argument("--model", default="vocal-pitch")
    made.add_argument("--separator", default="spleeter-2stems")
    made.add_argument("--curves", type=Path, default=Path("evaluation/pitch"))
    return made


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write if asked to."""
    given = _parser().parse_args(arguments)
    items = {item.name: item for item in find_items(given.data, longest_s=LONGEST_S)}
    trackers, curves = trackers_on_truth(), Curves(given.curves)
    measure(trackers, [items[name] for name in dict.fromkeys(sum(DUETS, ()))], curves)
    duets = [duet(items[one], items[other], curves, trackers) for one, other in DUETS]
    rows, absent = {}, []
    for plan in plans(given.model, given.separator):
        case = case_of(plan)
        if case is None:
            absent.append(f"`{plan.name}`")
            continue
        rows[plan.name] = _means(open_pitch(case.choice, device="cpu"), duets)
    text = page(rows, duets, ", ".join(absent))
    publish("pitch_voices", text, write=given.write, page="reproductions.md")


if __name__ == "__main__":
    main()
