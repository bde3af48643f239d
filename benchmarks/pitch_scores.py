"""Pitch of the voice on evaluation tracks: found once a method and track, kept as JSON, scored.

What is kept are curves of pitch as `unmix pitch` writes them, a frame each 10 ms, so that another
measure or reference needs no method to run again. Where no pitch is annotated the reference is
what two trackers agree on, on the true vocals: frames in which both are unvoiced, or both are
voiced at most half a semitone apart, at the middle in cents. Other frames are left out of reference
and estimate, which have the same grid; those that stay keep their times.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.kept import card_facts
from unmixcli.data.tracks import MIX, Track, has_pitch, load_stems, read_dataset, read_f0
from unmixcli.evaluation.estimates import Melody
from unmixcli.evaluation.hashes import FileHashes, digest, track_hash
from unmixcli.finished import write_text
from unmixcli.metrics.melody import evaluate
from unmixcli.pitch.f0 import F0
from unmixcli.pitch.session import PitchChoice, open_pitch, settings_of

VOCALS = "vocals"
ALONE, BACKED, SUNG = "alone", "backed", "sung"

TOLERANCE_CENTS = 50.0


Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Item:
    """A track, or the middle of a longer one; read when it is first looked at.

    Attributes:
        track: of the data set; it has vocals, or is known to have none.
        longest_s: of which so much is heard at most.
        of: hash of its audio, its annotation and what is heard of them.
    """

    track: Track
    longest_s: float
    of: str

    @property
    def name(self) -> str:
        """That of the track."""
        return self.track.name

    @property
    def group(self) -> str:
        """`ALONE` or `BACKED` where the pitch is annotated, `SUNG` where trackers must agree."""
        if not has_pitch(self.track):
            return SUNG
        rest = [parts for name, parts in self.track.stems.items() if name != VOCALS]
        return BACKED if any(rest) else ALONE

    @property
    def rate(self) -> int:
        """Hz."""
        return self._loaded[1]

    @property
    def mix(self) -> Audio:
        """`(channels, samples)`."""
        return self._heard(MIX)

    @property
    def vocals(self) -> Audio:
        """The true ones, `(channels, samples)`."""
        return self._heard(VOCALS)

    @property
    def annotated(self) -> Melody | None:
        """The pitch that people wrote down, where they did, of what is heard."""
        found = read_f0(self.track)
        if found is None:
            return None
        times_s = found[0] - self._start / self.rate
        inside = (times_s >= 0) & (times_s < self._length / self.rate)
        return times_s[inside], found[1][inside]

    @cached_property
    def _loaded(self) -> tuple[dict[str, Audio], int]:
        return load_stems(self.track, (VOCALS, MIX))

    @property
    def _length(self) -> int:
        return min(int(self._loaded[0][MIX].shape[1]), round(self.longest_s * self.rate))

    @property
    def _start(self) -> int:
        return (int(self._loaded[0][MIX].shape[1]) - self._length) // 2

    def _heard(self, name: str) -> Audio:
        return self._loaded[0][name][:, self._start : self._start + self._length]


@dataclass(frozen=True)
class Case:
    """A method.

    Attributes:
        name: of its row.
        choice: what runs.
        on_truth: whether it hears the true vocals instead of the mix.
    """

    name: str
    choice: PitchChoice
    on_truth: bool = False

    @property
    def of(self) -> str:
        """A hash of models, weights, options and packages."""
        settings = settings_of(self.choice)
        if self.choice.separator is not None:
            settings["separator"] = card_facts(self.choice.separator[0].model.card)
        return digest([card_facts(self.choice.model.card), settings, self.on_truth])


@dataclass(frozen=True)
class Reference:
    """What is taken for true.

    Attributes:
        times_s: of the frames that count.
        f0_hz: of the same frames, 0 where unvoiced.
        kept: which frames of a curve of `unmix pitch` count, `(frames,)`; None for all of them.
    """

    times_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]
    kept: NDArray[np.bool_] | None = None

    @property
    def is_sung(self) -> bool:
        """Whether any frame is voiced."""
        return bool((self.f0_hz > 0).any())


class Curves:
    """The curves of a folder, one file for each method and track."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, case: Case, item: Item) -> Melody | None:
        """What is there and up to date."""
        path = self._path(case, item)
        if not path.is_file():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["of"] != digest([case.of, item.of]):
            return None
        return np.array(content["times_s"], np.float64), np.array(content["f0_hz"], np.float64)

    def write(self, case: Case, item: Item, f0: F0) -> None:
        """Keep a curve, to the digits of a CSV."""
        content = {
            "of": digest([case.of, item.of]),
            "times_s": f0.times_s.round(6).tolist(),
            "f0_hz": f0.f0_hz.round(3).tolist(),
        }
        write_text(self._path(case, item), json.dumps(content) + "\n")

    def _path(self, case: Case, item: Item) -> Path:
        return self._folder / case.name / f"{item.name}.json"


def find_items(folder: Path, *, longest_s: float, sung: bool = True) -> list[Item]:
    """The tracks that are known to have vocals, or to have none."""
    hashes = FileHashes()
    return [
        Item(track, longest_s, digest([track_hash(track, hashes), longest_s]))
        for track in read_dataset(folder).tracks
        if VOCALS in track.stems and bool(track.stems[VOCALS]) == sung
    ]


def measure(cases: Sequence[Case], items: Sequence[Item], curves: Curves) -> None:
    """Find the pitch that is not kept yet; a method is loaded once."""
    for case in cases:
        missing = [item for item in items if curves.read(case, item) is None]
        session = open_pitch(case.choice, device="cpu") if missing else None
        for item in missing:
            assert session is not None
            print(f"{case.name}: {item.name}", file=sys.stderr)
            audio = item.vocals if case.on_truth else item.mix
            curves.write(case, item, session.find(audio, sample_rate=item.rate))


def reference(item: Item, curves: Curves, trackers: tuple[Case, Case]) -> Reference:
    """The annotation, or what two trackers agree on; their curves must be there."""
    if (annotated := item.annotated) is not None:
        return Reference(*annotated)
    one, other = (curves.read(tracker, item) for tracker in trackers)
    assert one is not None
    assert other is not None
    return agreement(one, other)


def agreement(one: Melody, other: Melody) -> Reference:
    """The frames on which two curves of one grid agree.

    Raises:
        ValueError: for curves of two grids.
    """
    if not np.array_equal(one[0], other[0]):
        raise ValueError("the two curves must have the same times")
    low, high = np.minimum(one[1], other[1]), np.maximum(one[1], other[1])
    silent = high == 0
    near = (low > 0) & (high <= low * 2 ** (TOLERANCE_CENTS / 1200))
    kept = silent | near
    # The middle of two pitches in cents; 0 where both are unvoiced.
    return Reference(one[0][kept], np.sqrt(low * high)[kept], kept)


def scored(truth: Reference, estimate: Melody) -> dict[str, float]:
    """The measures, by their names in tables; of an estimate on its whole grid."""
    times_s, f0_hz = estimate
    if truth.kept is not None:
        times_s, f0_hz = times_s[truth.kept], f0_hz[truth.kept]
    scores: dict[str, float] = evaluate(
        truth.times_s, truth.f0_hz, estimate_times_s=times_s, estimate_hz=f0_hz
    )
    return scores
