"""A sampled drum kit: recordings of its pieces by loudness, played with a part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from unmixcli.data.render.names import parse_name
from unmixcli.data.render.notes import Audio, Hit, add_at
from unmixcli.data.render.pieces import piece_of_name, piece_or_instead
from unmixcli.data.render.recordings import one_shot, shifted
from unmixcli.data.render.sampler import as_stereo

_LONGEST_S = 4.0
_POWER = 1.4
# Where the pieces stand, from left -1 to right 1, if the recording is mono.
_PLACES = {"hat_closed": 0.35, "hat_open": 0.35, "tom_high": -0.3, "tom_low": 0.4, "ride": -0.4}
# The pieces' loudness against each other, dB; recordings are normalised to their peaks.
_LEVELS_DB = {
    "kick": 0.0,
    "snare": -1.0,
    "rim": -7.0,
    "clap": -4.0,
    "hat_closed": -14.0,
    "hat_open": -14.0,
    "tom_high": -4.0,
    "tom_mid": -4.0,
    "tom_low": -3.0,
    "crash": -11.0,
    "ride": -19.0,
    "bell": -17.0,
    "percussion": -10.0,
}
# What ends a piece's sound, and how long that takes, s. A cymbal that is struck again does not
# sound twice: without this the tails of a ride add up to a wall of noise.
_ENDED_BY = {
    "hat_open": (("hat_closed", "hat_open"), 0.04),
    "hat_closed": (("hat_closed", "hat_open"), 0.1),
    "ride": (("ride", "bell"), 0.3),
    "bell": (("ride", "bell"), 0.3),
    "crash": (("crash",), 0.3),
}
_LOOK_AHEAD_HITS = 60


class Kit:
    """Sounds of pieces in layers, soft to loud; those of one layer are taken in turn."""

    def __init__(
        self,
        layers: Mapping[str, Sequence[Sequence[Path | str]]],
        load: Callable[[Path | str], Audio],
        *,
        sample_rate: int,
    ) -> None:
        self._layers = layers
        self._load = load
        self._rate = sample_rate
        self._made: dict[tuple[Path | str, str], Audio] = {}

    @classmethod
    def of_files(cls, files: Sequence[Path], *, sample_rate: int, semitones: float = 0.0) -> Kit:
        """The kit in a folder's files, tuned so much higher."""

        def load(path: Path | str) -> Audio:
            recorded, rate = one_shot(Path(path), longest_s=_LONGEST_S)
            return shifted(recorded, semitones=semitones, from_rate=rate, to_rate=sample_rate)

        return cls(_layers(files), load, sample_rate=sample_rate)

    @classmethod
    def of_sounds(cls, sounds: Mapping[str, Audio], *, sample_rate: int) -> Kit:
        """A kit with one sound a piece, `(channels, samples)` each."""
        layers = {piece: [[piece]] for piece in sounds}
        return cls(layers, lambda piece: sounds[str(piece)], sample_rate=sample_rate)

    @property
    def pieces(self) -> frozenset[str]:
        """The pieces that the kit has."""
        return frozenset(self._layers)

    def play(self, hits: Sequence[Hit], *, samples: int) -> Audio:
        """The hits as `(2, samples)`; hats and cymbals end their own last sound."""
        track = np.zeros((2, samples), np.float32)
        for number, hit in enumerate(hits):
            piece = piece_or_instead(hit.piece, self._layers)
            if piece is None:
                continue
            sound = self._sound(piece, hit.velocity, turn=number)
            gain = np.float32(hit.velocity**_POWER * 10 ** (_LEVELS_DB[hit.piece] / 20))
            ended = _ended(sound * gain, *self._end(hits, number))
            add_at(track, ended, start=round(hit.start_s * self._rate))
        return track

    def choose(self, piece: str, velocity: float, *, turn: int = 0) -> Path | str:
        """The recording of a piece for a velocity; equal ones are taken in turn."""
        layers = self._layers[piece]
        alike = layers[min(int(velocity * len(layers)), len(layers) - 1)]
        return alike[turn % len(alike)]

    def _sound(self, piece: str, velocity: float, *, turn: int) -> Audio:
        name = self.choose(piece, velocity, turn=turn)
        if (name, piece) not in self._made:
            self._made[name, piece] = _placed(self._load(name), _PLACES.get(piece, 0.0))
        return self._made[name, piece]

    def _end(self, hits: Sequence[Hit], number: int) -> tuple[int | None, int]:
        """After how many samples a hit's sound is damped, None for never, and how fast."""
        hit = hits[number]
        enders, fade_s = _ENDED_BY.get(hit.piece, ((), 0.0))
        for later in hits[number + 1 : number + _LOOK_AHEAD_HITS] if enders else ():
            if later.piece in enders and later.start_s > hit.start_s:
                return round((later.start_s - hit.start_s) * self._rate), round(fade_s * self._rate)
        return None, 0


def _layers(files: Sequence[Path]) -> dict[str, list[list[Path]]]:
    found: dict[str, dict[float, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in files:
        piece = piece_of_name(path.stem)
        if piece is not None:
            layer = parse_name(path.stem).layer
            loud = float(layer or 0) + (0.5 if "accent" in path.stem.lower() else 0.0)
            found[piece][loud].append(path)
    return {
        piece: [sorted(layers[loud]) for loud in sorted(layers)] for piece, layers in found.items()
    }


def _placed(sound: Audio, place: float) -> Audio:
    if sound.shape[0] >= 2:
        return as_stereo(sound)
    angle = (place + 1.0) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.float32(np.sqrt(2))
    return np.asarray(sound * gains, np.float32)


def _ended(sound: Audio, end: int | None, fade: int) -> Audio:
    """The sound, faded out from `end` on within so many samples."""
    if end is None or end >= sound.shape[1]:
        return sound
    cut: Audio = sound[:, : end + fade].copy()
    faded = cut[:, end:]
    faded *= np.linspace(1.0, 0.0, fade, dtype=np.float32)[: faded.shape[1]]
    return cut
