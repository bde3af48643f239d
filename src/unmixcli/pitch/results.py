"""The files of one track's pitch, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from unmixcli.audio.formats import output_format
from unmixcli.audio.write import StemReport, TrackWriter
from unmixcli.dsp.pictures import check_plotting
from unmixcli.errors import UsageError
from unmixcli.finished import finished_file
from unmixcli.pitch.csv import HEADER, write_f0, write_multi_f0
from unmixcli.pitch.finder import Found, PitchFinder
from unmixcli.pitch.midi import check_midi, write_midi
from unmixcli.pitch.notes import Note, NoteFinder
from unmixcli.pitch.plot import PitchPlot
from unmixcli.pitch.salience_file import SalienceWriter
from unmixcli.pitch.session import PitchChoice
from unmixcli.pitch.steps import f0_of, step_of, step_times

F0_CSV, MULTI_F0, MIDI, PLOT, SALIENCE = "f0.csv", "multif0.txt", "mid", "pitch.png", "salience.npz"


@dataclass(frozen=True)
class Wanted:
    """Files beside the CSV.

    Attributes:
        midi: notes.
        plot: a picture.
        salience: the network's output.
        stem: what was separated.
    """

    midi: bool = False
    plot: bool = False
    salience: bool = False
    stem: bool = False


@dataclass(frozen=True)
class PitchReport:
    """What was written.

    Attributes:
        paths: by the names of the files.
        steps: frames of the CSV.
        voiced: how many of them, of one voice or several.
        confidence: the largest.
        lowest_hz: of what is voiced; infinite if nothing is.
        highest_hz: 0 if nothing is.
        stem: samples a channel and the largest magnitude of the stem, if it was written.
    """

    paths: Mapping[str, Path]
    steps: int
    voiced: int
    confidence: float
    lowest_hz: float
    highest_hz: float
    stem: tuple[int, float] = (0, 0.0)

    @property
    def files(self) -> dict[str, StemReport]:
        """By name; of a stem its samples, of the others frames and, as peak, the confidence.

        What holds pitch is silent if no frame is voiced.
        """
        return {name: self._file(name, path) for name, path in self.paths.items()}

    def _file(self, name: str, path: Path) -> StemReport:
        if wants_stem((name,)):
            samples, peak = self.stem
            return StemReport(path, samples, peak, silent=peak == 0)
        unvoiced = name in (F0_CSV, MULTI_F0, MIDI) and not self.voiced
        return StemReport(path, self.steps, self.confidence, silent=unvoiced)


def file_names(choice: PitchChoice, wanted: Wanted) -> tuple[str, ...]:
    """What is written for a track, each as `TRACK.` and this.

    Raises:
        UsageError: for what the choice cannot give.
        ResourceError: for a package that is missing.
    """
    if wanted.salience and choice.is_tracker:
        raise UsageError(f"--salience: {choice.model.name} gives none; take a model by --model")
    if wanted.stem and choice.stem is None:
        raise UsageError("--stems: nothing is separated; add --stem vocals or --stem bass")
    if wanted.midi:
        check_midi()
    if wanted.plot:
        check_plotting()
    asked = {
        F0_CSV: True,
        MULTI_F0: choice.options.polyphonic,
        MIDI: wanted.midi,
        PLOT: wanted.plot,
        SALIENCE: wanted.salience,
        f"{choice.stem}.wav": wanted.stem,
    }
    return tuple(name for name, is_asked in asked.items() if is_asked)


def wants_stem(names: Sequence[str]) -> bool:
    """Whether a stem is among the files."""
    return any(name.endswith(".wav") for name in names)


class PitchWriter:
    """Writes what a finder finds; a context, which gives the files their names when it ends well.

    Args:
        paths: by `file_names`; folders are made.
        finder: whose pitch it is.
        step_ms: between steps.
        sample_rate: of the track, Hz.
        channels: of the track.

    Raises:
        ResourceError: if the folder or the disk refuse.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        finder: PitchFinder,
        step_ms: float,
        sample_rate: int,
        channels: int,
    ) -> None:
        self._paths = MappingProxyType(dict(paths))
        self._finder = finder
        self._step_s = step_of(step_ms)
        self._audio = (sample_rate, channels)
        self._stack = ExitStack()
        self._writers: list[Callable[[Found], None]] = []
        self._finishers: list[Callable[[], None]] = []
        self._steps = self._voice_steps = self._voiced = 0
        self._confidence = self._highest = 0.0
        self._lowest = np.inf
        self._stem = (0, 0.0)

    def __enter__(self) -> PitchWriter:
        openers = {
            F0_CSV: self._open_f0,
            MULTI_F0: self._open_multi_f0,
            MIDI: self._open_midi,
            PLOT: self._open_plot,
            SALIENCE: self._open_salience,
        }
        with ExitStack() as stack:
            self._stack = stack
            for name, path in self._paths.items():
                if name in openers:
                    openers[name](stack.enter_context(finished_file(path)))
                else:
                    self._open_stem(path)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def write(self, found: Found) -> None:
        """Append what is known."""
        for write in self._writers:
            write(found)
        lines = found.f0 if found.voices is None else found.voices
        self._steps += found.f0.frames
        self._voiced += int(np.any(lines.f0_hz > 0, axis=0).sum())
        self._confidence = max(self._confidence, float(found.f0.confidence.max(initial=0.0)))
        voiced = lines.f0_hz[lines.f0_hz > 0]
        self._lowest = min(self._lowest, float(voiced.min(initial=np.inf)))
        self._highest = max(self._highest, float(voiced.max(initial=0.0)))

    def finish(self) -> PitchReport:
        """Complete the files; they get their names when the context ends."""
        for finish in self._finishers:
            finish()
        return PitchReport(
            self._paths,
            self._steps,
            self._voiced,
            self._confidence,
            self._lowest,
            self._highest,
            self._stem,
        )

    def _open_f0(self, path: Path) -> None:
        file = self._stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
        file.write(HEADER + "\n")

        def write(found: Found) -> None:
            write_f0(file, f0_of(found.f0, first=self._steps, step_s=self._step_s))

        self._writers.append(write)
        # So that a full disk is told of before any file gets its name.
        self._finishers.append(file.flush)

    def _open_multi_f0(self, path: Path) -> None:
        file = self._stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))

        def write(found: Found) -> None:
            assert found.voices is not None
            # Ahead of the one voice, whose frames wait until they are decided.
            times = step_times(self._voice_steps, found.voices.frames, step_s=self._step_s)
            write_multi_f0(file, times, found.voices)
            self._voice_steps += found.voices.frames

        self._writers.append(write)

    def _open_midi(self, path: Path) -> None:
        finders: list[NoteFinder] = []
        notes: list[list[Note]] = []

        def write(found: Found) -> None:
            lines = found.f0 if found.voices is None else found.voices
            if not finders:
                finders.extend(NoteFinder(float(self._step_s)) for _ in range(lines.voices))
                notes.extend([] for _ in range(lines.voices))
            for finder, voice, f0_hz in zip(finders, notes, lines.f0_hz, strict=True):
                voice += finder.push(f0_hz)

        def finish() -> None:
            for finder, voice in zip(finders, notes, strict=True):
                voice += finder.finish()
            write_midi(path, notes)

        self._writers.append(write)
        self._finishers.append(finish)

    def _open_plot(self, path: Path) -> None:
        plot = PitchPlot(
            step_s=float(self._step_s),
            frame_s=float(self._finder.frame_s),
            frequencies=self._finder.frequencies,
        )

        def write(found: Found) -> None:
            plot.push(found.f0 if found.voices is None else found.voices, found.salience)

        self._writers.append(write)
        self._finishers.append(lambda: plot.write(path))

    def _open_salience(self, path: Path) -> None:
        assert self._finder.frequencies is not None
        writer = self._stack.enter_context(
            SalienceWriter(path, frequencies=self._finder.frequencies, frame_s=self._finder.frame_s)
        )

        def write(found: Found) -> None:
            assert found.salience is not None
            writer.write(found.salience)

        self._writers.append(write)
        self._finishers.append(writer.finish)

    def _open_stem(self, path: Path) -> None:
        rate, channels = self._audio
        writer = self._stack.enter_context(
            TrackWriter(
                {path.stem: path},
                sample_rate=rate,
                channels=channels,
                format=output_format("wav", bits="32f"),
            )
        )

        def write(found: Found) -> None:
            if found.stem is not None:
                writer.write({path.stem: found.stem})
                samples, peak = self._stem
                largest = float(np.abs(found.stem).max(initial=0.0))
                self._stem = samples + found.stem.shape[1], max(peak, largest)

        self._writers.append(write)
