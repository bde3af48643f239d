"""Trackers of one voice that need no model of ours: pYIN and SwiftF0, as streams.

Both say for each frame whether it is voiced: pYIN (Mauch and Dixon, 2014, by librosa) by its own
path, with the probability of voicing as confidence, but never where a frame shows no period at
all; SwiftF0 (package swift-f0, an ONNX network) by a confidence of at least 0.5. A threshold of the
user's takes the place of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from unmixcli.audio.blocks import Block, Reblock
from unmixcli.errors import ResourceError, UsageError
from unmixcli.pitch.f0 import Floats, Lines, join_lines, no_lines

PACKAGES: Mapping[str, str] = MappingProxyType({"pyin": "librosa", "swiftf0": "swift-f0"})
"""Names of the trackers and the packages that bring them."""

Signal = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrackerOptions:
    """What a tracker may be told; None leaves what it has.

    Attributes:
        threshold: a confidence from which a frame is voiced.
        f_min_hz: of pYIN C2 (65.4), of SwiftF0 46.9.
        f_max_hz: of pYIN C6 (1046.5), of SwiftF0 2093.8.
    """

    threshold: float | None = None
    f_min_hz: float | None = None
    f_max_hz: float | None = None


class Tracker(Protocol):
    """One voice in, its pitch out, whatever the blocks; for one track.

    Attributes:
        sample_rate: Hz of the blocks that it takes.
        hop_samples: between frames, the first of which has its centre at 0.
    """

    sample_rate: int
    hop_samples: int

    def push(self, block: Block) -> Lines:
        """Take `(1, samples)`, return the frames that are done, `(1, frames)`."""

    def finish(self) -> Lines:
        """Return the rest."""


def tracker_version(name: str) -> str | None:
    """The version of the package that brings a tracker; None where it is not installed."""
    try:
        return version(PACKAGES[name])
    except PackageNotFoundError:
        return None


def check_tracker(name: str, options: TrackerOptions) -> None:
    """See that a tracker is there and can look for this range.

    Raises:
        ResourceError: for a package that is missing.
        UsageError: for a range in which it finds no pitch.
    """
    if tracker_version(name) is None:
        raise ResourceError(
            f"{name} needs the package {PACKAGES[name]}, which is not installed; "
            "get it by: pip install 'unmixcli[pitch]'"
        )
    lowest, highest = _REACH[name]
    low, high = options.f_min_hz or lowest, options.f_max_hz or highest
    # pYIN's window holds two periods; SwiftF0 scores steps of 4 %.
    if not (lowest <= low and low * 1.05 <= high <= highest):
        raise UsageError(
            f"--fmin {low:g} --fmax {high:g}: {name} finds pitch from {lowest:g} to {highest:g} "
            "Hz, in a range of at least a semitone"
        )


def open_tracker(name: str, options: TrackerOptions, *, network: Any = None) -> Tracker:
    """A tracker for one track.

    Args:
        name: one of `PACKAGES`.
        options: what it is told.
        network: of SwiftF0, what `swiftf0_network` made; made anew if None.
    """
    if name == "pyin":
        return PyinTracker(options)
    return SwiftF0Tracker(options, network=network)


class PyinTracker:
    """librosa's pYIN in windows of 12 s, of which the inner 10 s are kept.

    The path through the frames is found anew in each window; a second of context on both sides
    makes it what it would be in the whole track but for rare frames. Memory is that of a window,
    and windows lie on a fixed grid, so that blocks of any length give the same.
    """

    sample_rate = 22050
    hop_samples = 256

    _FRAME_SAMPLES = 2048
    _INNER_FRAMES = 861
    _CONTEXT_FRAMES = 86
    # librosa's default of 0.01, and room for its rounding.
    _NO_TROUGH_PROBABILITY = 0.0101

    def __init__(self, options: TrackerOptions) -> None:
        self._options = options
        self._held = np.zeros(0, np.float32)
        # The frame at which `held` begins, and the first one that has not been given.
        self._first = 0
        self._given = 0

    def push(self, block: Block) -> Lines:
        """Take `(1, samples)`, return the frames that are done, `(1, frames)`."""
        self._held = np.concatenate([self._held, block[0]])
        done = [no_lines(1)]
        while len(self._held) > self._needed * self.hop_samples:
            done.append(self._window(self._held[: self._needed * self.hop_samples]))
            before = max(0, self._given - self._CONTEXT_FRAMES)
            self._held = self._held[(before - self._first) * self.hop_samples :].copy()
            self._first = before
        return join_lines(done)

    def finish(self) -> Lines:
        """Return the rest."""
        total = self._first + 1 + len(self._held) // self.hop_samples
        if not len(self._held):
            return no_lines(1)
        return self._tracked(self._held).part(self._given - self._first, total - self._first)

    @property
    def _needed(self) -> int:
        """Frames of samples for the next window, contexts included."""
        return self._given - self._first + self._INNER_FRAMES + self._CONTEXT_FRAMES

    def _window(self, samples: Signal) -> Lines:
        start = self._given - self._first
        self._given += self._INNER_FRAMES
        return self._tracked(samples).part(start, start + self._INNER_FRAMES)

    def _tracked(self, samples: Signal) -> Lines:
        import librosa

        lowest, highest = _USUAL["pyin"]
        f0_hz, voiced, probability = librosa.pyin(
            samples,
            fmin=self._options.f_min_hz or lowest,
            fmax=self._options.f_max_hz or highest,
            sr=self.sample_rate,
            frame_length=self._FRAME_SAMPLES,
            hop_length=self.hop_samples,
            fill_na=None,
        )
        # Where no trough was found the path goes on with a made-up pitch, in noise for seconds.
        voiced &= probability > self._NO_TROUGH_PROBABILITY
        if self._options.threshold is not None:
            voiced = probability >= self._options.threshold
        return _lines(f0_hz, probability, voiced)


class SwiftF0Tracker:
    """The stream of the package, which keeps 11 frames before and 10 behind each."""

    sample_rate = 16000
    hop_samples = 256

    # What the network sees at once changes its rounding, so it is always the same.
    _GRID_SAMPLES = 1 << 15
    _THRESHOLD = 0.5

    def __init__(self, options: TrackerOptions, *, network: Any = None) -> None:
        self._threshold = self._THRESHOLD if options.threshold is None else options.threshold
        network = network or swiftf0_network()
        self._stream = network.stream(fmin=options.f_min_hz, fmax=options.f_max_hz)
        self._reblock = Reblock(self._GRID_SAMPLES)
        self._taken = 0

    def push(self, block: Block) -> Lines:
        """Take `(1, samples)`, return the frames that are done, `(1, frames)`."""
        self._taken += block.shape[1]
        done = [self._pushed(part) for part in self._reblock.push(block)]
        return join_lines([no_lines(1), *done])

    def finish(self) -> Lines:
        """Return the rest."""
        if not self._taken:
            return no_lines(1)
        rest = self._reblock.rest()
        done = [] if rest is None else [self._pushed(rest)]
        return join_lines([*done, self._result(self._stream.flush())])

    def _pushed(self, part: Block) -> Lines:
        return self._result(self._stream.push(part[0], self.sample_rate))

    def _result(self, result: Any) -> Lines:
        voiced = result.confidence >= self._threshold
        return _lines(result.pitch_hz, result.confidence, voiced)


def swiftf0_network() -> Any:
    """The network of SwiftF0, which any number of tracks may use."""
    from swift_f0 import SwiftF0

    return SwiftF0(spin=False)


def _lines(f0_hz: Floats, confidence: Floats, voiced: npt.NDArray[np.bool_]) -> Lines:
    usable = voiced & np.isfinite(f0_hz)
    return Lines(np.where(usable, f0_hz, 0.0)[None], np.clip(confidence, 0, 1)[None])


# What people sing, and what can be found.
_USUAL: Mapping[str, tuple[float, float]] = MappingProxyType({"pyin": (65.4, 1046.5)})
_REACH: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"pyin": (21.6, 5512.5), "swiftf0": (46.875, 2093.75)}
)
