"""The pitch of the vocals, found while a song is separated: one pass over the song for both.

What is here is what a batch takes as `beside`: it hears the vocals of an engine block by block and
writes the CSV of `unmix pitch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmixcli.audio.blocks import Block
from unmixcli.audio.write import StemReport
from unmixcli.models.catalogue import Model
from unmixcli.pitch.finder import PitchFinder
from unmixcli.pitch.joint_session import JointEngine
from unmixcli.pitch.results import F0_CSV, PitchWriter
from unmixcli.pitch.session import (
    VOCALS,
    PitchChoice,
    PitchOptions,
    PitchSession,
    TrackAudio,
    decoded,
    open_pitch,
    select_pitch,
    settings_of,
    usual_tracker,
)
from unmixcli.pitch.steps import step_of
from unmixcli.separation.engine import Engine

VOCALS_F0 = "vocals.f0"
"""The name of the file among outputs; its extension is `EXTENSION`."""

EXTENSION = "csv"


@dataclass(frozen=True)
class VocalPitch:
    """A tracker on the vocals.

    Attributes:
        session: finds the pitch of what it is given; nothing separates in it.
    """

    session: PitchSession

    @property
    def name(self) -> str:
        """Of the file among the outputs."""
        return VOCALS_F0

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes the file."""
        return settings_of(self.session.choice)

    @contextmanager
    def track(self, path: Path, *, engine: Engine) -> Iterator[VocalPitchTrack]:
        """The pitch of one track; the file has its name when the context ends well.

        Args:
            path: of the file.
            engine: of the track; has the output `vocals`.

        Raises:
            ResourceError: if the folder or the disk refuse.
        """
        # Trackers hear a track once.
        audio = TrackAudio(engine.sample_rate, engine.channels, tuple)
        step_ms = self.session.choice.options.step_ms
        with self.session.finder(audio) as finder, _writer(path, finder, engine, step_ms) as writer:
            yield VocalPitchTrack(finder, writer)


@dataclass(frozen=True)
class JointPitch:
    """The salience that a joint model's engine has found beside the stems.

    Attributes:
        choice: the model.
    """

    choice: PitchChoice

    @property
    def name(self) -> str:
        """Of the file among the outputs."""
        return VOCALS_F0

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes the file."""
        return settings_of(self.choice)

    @contextmanager
    def track(self, path: Path, *, engine: Engine) -> Iterator[VocalPitchTrack]:
        """The pitch of one track; the file has its name when the context ends well.

        Args:
            path: of the file.
            engine: a `JointEngine`.

        Raises:
            ResourceError: if the folder or the disk refuse.
        """
        assert isinstance(engine, JointEngine)
        options = self.choice.options
        finder = PitchFinder(
            decoded(engine.salience, options, card=self.choice.model.card),
            step_s=step_of(options.step_ms),
            sample_rate=engine.sample_rate,
            channels=engine.channels,
        )
        with _writer(path, finder, engine, options.step_ms) as writer:
            yield VocalPitchTrack(finder, writer)


def select_vocal_pitch(model: Model) -> PitchChoice:
    """What finds the pitch of the vocals that a model separates: itself, if it gives pitch, or
    else a tracker; loads nothing.

    Raises:
        ResourceError: if no tracker is installed.
    """
    if model.card.pitch is not None:
        return PitchChoice(model, PitchOptions())
    return select_pitch(usual_tracker(VOCALS), options=PitchOptions())


def open_vocal_pitch(choice: PitchChoice) -> VocalPitch | JointPitch:
    """Make it ready; trackers run on the CPU, wherever the separation runs."""
    if not choice.is_tracker:
        return JointPitch(choice)
    return VocalPitch(open_pitch(choice, device="cpu"))


class VocalPitchTrack:
    """The pitch of the vocals of one track.

    Args:
        finder: is given the vocals.
        writer: of the CSV alone.
    """

    def __init__(self, finder: PitchFinder, writer: PitchWriter) -> None:
        self._finder = finder
        self._writer = writer

    def write(self, stems: Mapping[str, Block]) -> None:
        """Take a block `(channels, samples)` of every output."""
        self._writer.write(self._finder.push(stems[VOCALS]))

    def finish(self) -> StemReport:
        """Complete the file."""
        self._writer.write(self._finder.finish())
        return self._writer.finish().files[F0_CSV]


def _writer(path: Path, finder: PitchFinder, engine: Engine, step_ms: float) -> PitchWriter:
    return PitchWriter(
        {F0_CSV: path},
        finder=finder,
        step_ms=step_ms,
        sample_rate=engine.sample_rate,
        channels=engine.channels,
    )
