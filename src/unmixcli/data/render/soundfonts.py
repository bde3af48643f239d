"""Sound fonts, played by the command `fluidsynth`, without its effects and its dither.

A process a part: what a damaged font ends is that process, and floats come out of its pipe.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmixcli.data.render.grooves import load_mido
from unmixcli.data.render.notes import Audio, Note
from unmixcli.errors import InputError, ResourceError

COMMAND = "fluidsynth"
PREFIX = "soundfont/"
"""What names of sounds out of a font begin with."""

# Those of them whose licence asks for nothing; others are played if they are asked for.
_USUAL_FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3")
_USUAL = ("FluidR3_GM.sf2", "MuseScore_General*.sf[23]")
_TICKS_A_SECOND = 10_000
_GAIN = 0.4
# Above what 60 s of dense chords take on a busy core, by far.
_PATIENCE_S, _PATIENCE_TIMES = 60.0, 4.0


@dataclass(frozen=True)
class Program:
    """A sound of General MIDI: its number from 0 and its name there."""

    number: int
    name: str


@dataclass(frozen=True)
class SoundFonts:
    """Fonts that may be played, and the version of what plays them; none without both."""

    files: tuple[Path, ...] = ()
    version: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """What decides how they sound: the player, and each file's name and size."""
        told = [f"{path.name} {path.stat().st_size}" for path in self.files]
        return (f"{COMMAND} {self.version}", *told) if told else ()


NO_FONTS = SoundFonts()


@dataclass(frozen=True)
class FontPlayer:
    """A player of one program of one font."""

    font: Path
    program: Program

    @property
    def name(self) -> str:
        """The font and the program, as `track.json` tells them."""
        return f"{PREFIX}{self.font.stem}:{self.program.name}"

    def play(self, notes: Sequence[Note], *, samples: int, sample_rate: int) -> Audio:
        """The notes as `(2, samples)`, at pitches rounded to semitones.

        The same notes give the same samples. Raises `ResourceError` where fluidsynth or mido fail.
        """
        if not notes:
            return np.zeros((2, samples), np.float32)
        length_s = samples / sample_rate
        with tempfile.TemporaryDirectory() as folder:
            score = Path(folder) / "part.mid"
            _write_midi(notes, self.program, score, length_s=length_s)
            content = _rendered(self.font, score, sample_rate=sample_rate, length_s=length_s)
        interleaved = np.frombuffer(content[: len(content) // 8 * 8], "<f4")
        played: Audio = np.zeros((2, samples), np.float32)
        size = min(samples, len(interleaved) // 2)
        played[:, :size] = interleaved.reshape(-1, 2)[:size].T
        return played


def find_soundfonts(asked: Sequence[Path] | None) -> SoundFonts:
    """The fonts that are asked for, or Debian's FluidR3 and MuseScore_General for None.

    Raises `InputError` for a file that is no sound font, `ResourceError` where fonts are asked for
    and fluidsynth is not installed; without being asked it does without.
    """
    files = _usual() if asked is None else tuple(asked)
    for path in files:
        _check(path)
    if not files:
        return NO_FONTS
    version = _version()
    if version:
        return SoundFonts(files, version)
    if asked is None:
        return NO_FONTS
    raise ResourceError(
        f"{files[0].name} is played by {COMMAND}, which is missing: install the package "
        f"{COMMAND} of your system, or leave --soundfont out."
    )


def _usual() -> tuple[Path, ...]:
    found = [
        path
        for folder in _USUAL_FOLDERS
        for name in _USUAL
        for path in sorted(Path(folder).glob(name))
    ]
    # Some are links to others.
    return tuple(dict.fromkeys(path.resolve() for path in found if path.is_file()))


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(12)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(
            f"--soundfont {path} cannot be read: {error.strerror}; give a file .sf2 or .sf3."
        ) from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise InputError(f"--soundfont {path} is no sound font; give a file .sf2 or .sf3.")
    # On a font that ends too early fluidsynth may wait for ever.
    if int.from_bytes(head[4:8], "little") + 8 > size:
        raise InputError(f"--soundfont {path} ends too early; get a fresh copy.")


def _version() -> str:
    """The version of the command; empty where it is missing."""
    if shutil.which(COMMAND) is None:
        return ""
    asked = subprocess.run(
        [COMMAND, "--version"], capture_output=True, timeout=_PATIENCE_S, check=False
    )
    found = re.search(rb"(\d+\.\d+[.\d]*)", asked.stdout)
    return found.group(1).decode() if found else ""


def _write_midi(notes: Sequence[Note], program: Program, path: Path, *, length_s: float) -> None:
    mido = load_mido()
    file = mido.MidiFile(type=0, ticks_per_beat=_TICKS_A_SECOND)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    track.append(mido.Message("program_change", program=program.number))
    now, end = 0, round(length_s * _TICKS_A_SECOND)
    for tick, velocity, key in strokes(notes, end=end):
        kind = "note_on" if velocity else "note_off"
        track.append(mido.Message(kind, note=key, velocity=velocity, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=end - now))
    file.save(path)


def strokes(notes: Sequence[Note], *, end: int) -> list[tuple[int, int, int]]:
    """Tick, velocity (0 for the end of a note) and key, in the order in which they are sent.

    A key that is struck while it sounds is let go first: one end would end both notes.
    """
    sounding: dict[int, int] = {}
    sent: list[tuple[int, int, int]] = []
    for note in sorted(notes, key=lambda note: note.start_s):
        key = min(max(round(note.pitch), 0), 127)
        start = max(0, round(note.start_s * _TICKS_A_SECOND))
        stop = min(start + max(1, round(note.length_s * _TICKS_A_SECOND)), end)
        if start >= stop:
            continue
        before = sounding.get(key)
        if before is not None and sent[before][0] > start:
            sent[before] = (start, 0, key)
        sent.append((start, min(max(round(note.velocity * 127), 1), 127), key))
        sounding[key] = len(sent)
        sent.append((stop, 0, key))
    return sorted(sent, key=lambda event: (event[0], event[1] > 0))


def _rendered(font: Path, score: Path, *, sample_rate: int, length_s: float) -> bytes:
    """Samples of both channels in turn, as floats of 32 bits, lowest byte first."""
    words = [COMMAND, "-niq", "-f", os.devnull, "-R", "0", "-C", "0", "-g", str(_GAIN)]
    words += ["-r", str(sample_rate), "-T", "raw", "-O", "float", "-E", "little", "-z", "64"]
    for setting in ("dynamic-sample-loading=1", "cpu-cores=1", "polyphony=256"):
        words += ["-o", f"synth.{setting}"]
    words += ["-F", "-", str(font), str(score)]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S + _PATIENCE_TIMES * length_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(font, type(error).__name__) from error
    # It exits with 0 when it could not load the font, too.
    if done.returncode or not done.stdout or b"Failed to load" in done.stderr:
        raise _failed(font, f"exit code {done.returncode}, {len(done.stdout)} bytes")
    return done.stdout


def _failed(font: Path, reason: str) -> ResourceError:
    return ResourceError(
        f"{COMMAND} cannot play {font} ({reason}); choose another with --soundfont FILE, "
        "or --soundfont none."
    )
