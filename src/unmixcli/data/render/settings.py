"""What is asked for: how many songs, how long, from which seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from unmixcli.errors import UsageError

STEMS = ("vocals", "drums", "bass", "other")
"""The stems of every rendered song; their sum is the mix."""

# Raised with every change after which the same seed sounds different.
RECIPE = 2


@dataclass(frozen=True)
class RenderSettings:
    """Settings of a set of songs.

    Attributes:
        songs: how many.
        length_s: of each, in s.
        seed: the same seed and source give the same bytes.
        sample_rate: of the files, Hz.
        exclude: folders of the source that are left out, by the end of their path.
        instrumentals: share of the songs in which nobody sings and an instrument plays the tune.
        soundfonts: fonts that may be played, in place of those in Debian's folders.
    """

    songs: int
    length_s: float = 60.0
    seed: int = 0
    sample_rate: int = 44100
    exclude: tuple[str, ...] = ("solfege-gpl",)
    instrumentals: float = 0.0
    soundfonts: tuple[Path, ...] | None = None

    def __post_init__(self) -> None:
        if self.songs < 1:
            raise UsageError(f"--songs is {self.songs}; render at least one.")
        if not 1.0 <= self.length_s <= 3600.0:
            raise UsageError(f"--seconds is {self.length_s:g}; allowed are 1 to 3600.")
        if not 0.0 <= self.instrumentals <= 1.0:
            raise UsageError(f"--instrumentals is {self.instrumentals:g}; allowed are 0 to 1.")

    @property
    def samples(self) -> int:
        """Samples of each song."""
        return round(self.length_s * self.sample_rate)

    def fingerprint(self) -> dict[str, object]:
        """What a song depends on beside its number and the sounds, fonts among them."""
        told: dict[str, object] = {**asdict(self), "exclude": list(self.exclude), "recipe": RECIPE}
        del told["songs"], told["soundfonts"]
        # Songs of a time when there were none go on.
        if not self.instrumentals:
            del told["instrumentals"]
        return told
