"""What a program is asked to separate, and what it took: the words between parent and child."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

FULL = "float32"


@dataclass(frozen=True)
class Task:
    """Music for one process of one program.

    Attributes:
        song_s: seconds of each song.
        songs: one after another, the network loaded once.
        device: "cpu" or "cuda".
        precision: "float32", "fp16" or "bf16".
        probe: whether it is there for an estimate and in no table.
    """

    song_s: float
    songs: int = 1
    device: str = "cpu"
    precision: str = FULL
    probe: bool = False

    @property
    def music_s(self) -> float:
        """Seconds of all songs."""
        return self.song_s * self.songs

    @property
    def name(self) -> str:
        """As tables have it."""
        whole = self.song_s >= 60 and self.song_s % 60 == 0
        length = f"{self.song_s / 60:g} min" if whole else f"{self.song_s:g} s"
        return length if self.songs == 1 else f"{self.songs} × {length}"

    def to_json(self) -> str:
        """A word for a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, word: str) -> Task:
        """The other way."""
        return cls(**json.loads(word))


@dataclass(frozen=True)
class Run:
    """What one process took, or why there are no figures.

    Attributes:
        seconds: for all songs, after a warm-up.
        peak: the largest resident set, bytes.
        device_peak: the most memory on a GPU, bytes, weights and all.
        error: of a reduced precision: the largest difference from float32 over the largest value.
        problem: why it did not run or did not end; there are no figures then.
    """

    seconds: float = 0.0
    peak: int = 0
    device_peak: int | None = None
    error: float | None = None
    problem: str = ""

    @classmethod
    def last_line(cls, output: str) -> Run:
        """What a process printed last."""
        found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return cls(**found)
