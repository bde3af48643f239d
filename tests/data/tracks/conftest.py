"""Small data sets in the true layouts of the large ones.

Every file is a constant, so that a sum of stems is a number known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

RATE = 8000
SAMPLES = 400

Builder = Callable[[Path], Path]


def write_constant(
    path: Path,
    *values: float,
    samples: int = SAMPLES,
    rate: int = RATE,
) -> Path:
    """A float WAV or FLAC with one constant a channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.tile(np.array(values or (0.125,), np.float32), (samples, 1))
    subtype = "FLOAT" if path.suffix == ".wav" else None
    soundfile.write(path, array, rate, subtype=subtype)
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_stem_mp4(path: Path, frequencies_hz: tuple[float, ...], *, seconds: float = 0.4) -> None:
    """An MP4 with a stereo AAC stream a frequency, as Native Instruments' stem files are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * 44100)) / 44100
    with av.open(str(path), "w", format="mp4") as container:
        streams = [container.add_stream("aac", rate=44100, layout="stereo") for _ in frequencies_hz]
        for stream, frequency in zip(streams, frequencies_hz, strict=True):
            tone = (0.5 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


STEM_STREAMS_HZ = (300.0, 600.0, 1200.0, 2400.0, 4800.0)


def musdb18(root: Path) -> Path:
    for name in ("train/Skelpolu - Human Mistakes", "train/A - B", "test/C - D"):
        write_stem_mp4(root / f"{name}.stem.mp4", STEM_STREAMS_HZ)
    return root


MUSDB_LEVELS = {"vocals": 0.5, "drums": 0.25, "bass": 0.125, "other": 0.0625}


def musdb18_hq(root: Path) -> Path:
    for name in ("train/Leaf - Summerghost", "train/A - B", "test/C - D"):
        for stem, level in MUSDB_LEVELS.items():
            write_constant(root / name / f"{stem}.wav", level, level, rate=44100)
        write_constant(root / name / "mixture.wav", 0.9375, 0.9375, rate=44100)
    return root


def dsd100(root: Path) -> Path:
    for name in ("Dev/051 - A - B", "Test/001 - C - D"):
        for stem, level in MUSDB_LEVELS.items():
            write_constant(root / "Sources" / name / f"{stem}.wav", level, level)
        write_constant(root / "Mixtures" / name / "mixture.wav", 0.9375, 0.9375)
    return root


MEDLEY_STEMS = (
    ("male singer", "melody", 0.5),
    ("drum set", "", 0.25),
    ("synthesizer", "bass", 0.5),
    ("acoustic guitar", "", 0.25),
    ("clean electric guitar", "", 0.125),
    ("distorted electric guitar", "", 0.125),
    ("tack piano", "", 0.5),
    ("vibraphone", "", 0.25),
)


def medleydb(root: Path) -> Path:
    name = "Artist_Title"
    track = root / "Audio" / name
    lines = ["artist: Artist", "has_bleed: 'yes'", "instrumental: 'no'", "stems:"]
    for number, (instrument, component, level) in enumerate(MEDLEY_STEMS, 1):
        file = f"{name}_STEM_{number:02d}.wav"
        write_constant(track / f"{name}_STEMS" / file, level, level)
        lines += [
            f"  S{number:02d}:",
            f"    component: '{component}'",
            f"    filename: {file}",
            f"    instrument: {instrument}",
        ]
    write_constant(track / f"{name}_MIX.wav", 0.75, 0.75)
    write_text(track / f"{name}_METADATA.yaml", "\n".join(lines))
    table = "".join(f"  {number}: {number / 8}\n" for number in range(1, len(MEDLEY_STEMS) + 1))
    write_text(root / "mixing_coefficients.yaml", f"{name}:\n{table}")
    melodies = root / "Annotations" / "Melody_Annotations" / "MELODY1"
    write_text(melodies / f"{name}_MELODY1.csv", "0.0,0.0\n")
    return root


def slakh(root: Path) -> Path:
    for split, number in (("train", 1), ("validation", 1501), ("test", 1876), ("omitted", 4)):
        track = root / split / f"Track{number:05d}"
        write_text(
            track / "metadata.yaml",
            """
audio_dir: stems
stems:
  S00: {audio_rendered: true, inst_class: Guitar, is_drum: false, program_num: 30}
  S01: {audio_rendered: true, inst_class: Guitar, is_drum: false, program_num: 25}
  S02: {audio_rendered: true, inst_class: Drums, is_drum: true, program_num: 128}
  S03: {audio_rendered: false, inst_class: Sound Effects, is_drum: false, program_num: 120}
  S04: {audio_rendered: true, inst_class: Piano, is_drum: false, program_num: 4}
  S05: {audio_rendered: true, inst_class: Ensemble, is_drum: false, program_num: 52}
""",
        )
        for name in ("S00", "S01", "S02", "S04", "S05"):
            write_constant(track / "stems" / f"{name}.flac", 0.125)
        write_constant(track / "mix.flac", 0.625)
    return root


def ccmixter(root: Path) -> Path:
    for name in ("a_-_One", "b_-_Two"):
        write_constant(root / name / "source-01.wav", 0.25, 0.25)
        write_constant(root / name / "source-02.wav", 0.5, 0.5)
        write_constant(root / name / "mix.wav", 0.75, 0.75)
    return root


def ikala(root: Path) -> Path:
    for name in ("10161_chorus", "10161_verse"):
        write_constant(root / "Wavfile" / f"{name}.wav", 0.25, 0.5)
        write_text(root / "PitchLabel" / f"{name}.pv", "0\n69\n81\n")
        write_text(root / "Lyrics" / f"{name}.lab", "0 32 la\n")
    return root


def mir1k(root: Path) -> Path:
    for name in ("abjones_1_01", "amy_2_03", "Ani_1_01"):
        write_constant(root / "Wavfile" / f"{name}.wav", 0.25, 0.5)
        write_text(root / "PitchLabel" / f"{name}.pv", "69\n0\n")
    return root


def tap_and_fiddle(root: Path) -> Path:
    for name in ("train/Halling 1", "train/Stapel", "test/Polska"):
        write_constant(root / name / "foot-tapping.wav", 0.25, 0.25)
        write_constant(root / name / "violin.wav", 0.5, 0.5)
        write_constant(root / name / "mix.wav", 0.75, 0.75)
    return root


MICROPHONES = {
    "01_KickIn": "drums",
    "02_SnareUp": "drums",
    "03_BassDI": "bass",
    "04_ElecGtr1": "electric_guitar",
    "05_AcousticGtr": "acoustic_guitar",
    "06_Piano": "piano",
    "07_LeadVox": "vocals",
    "08_Trumpet": "other",
}


def mixing_secrets(root: Path) -> Path:
    for name in MICROPHONES:
        write_constant(root / "Artist_Song_Full" / f"{name}.wav", 0.0625)
    write_constant(root / "Artist_Song_Full" / "00_Mix.wav", 0.5, 0.5)
    return root


def stems(root: Path) -> Path:
    write_constant(root / "Song" / "Vocals.wav", 0.5)
    write_constant(root / "Song" / "bass_drums.flac", 0.25)
    write_constant(root / "Song" / "Lead Guitar.wav", 0.125)
    return root


OVERLAYS = """
[[track]]
name = "two-over-mdn"
backing = "songs/mdn"
start_s = 0.01
length_s = 0.03
gain = 2.0
voice = ["singing/makam/a.wav", "singing/makam/b.wav"]

[[track]]
name = "solo-over-francium"
backing = "songs/francium"
start_s = 0.0
length_s = 0.02
gain = 0.5
voice = ["singing/vocadito_1/vocadito_1.flac"]
"""


def unmix_eval(root: Path) -> Path:
    """Under the true names, but as WAV and FLAC by content: readers go by it, not by the name."""
    for song, files, suffix in (
        ("francium", ("vocals", "drums", "bass", "other", "bass_other"), ".opus"),
        ("clingo", ("vocals", "drums", "bass", "other"), ".flac"),
        ("playlist", ("Vocals30", "BassDrums30", "Guitar30", "PianoSynth30"), ".mp3"),
        ("mdn", ("drums", "bassguitar", "clav", "horns", "leadguitar"), ".mp3"),
    ):
        for file in files:
            wav = write_constant(root / "songs" / song / f"{file}.wav", 0.125, 0.125, rate=44100)
            wav.rename(wav.with_suffix(suffix))
    for name in ("a", "b"):
        write_constant(root / "singing/makam" / f"{name}.wav", 0.25, samples=441, rate=44100)
    solo = root / "singing" / "vocadito_1"
    write_constant(solo / "vocadito_1.flac", 0.25, rate=44100)
    write_text(solo / "vocadito_1_f0.csv", "0.0,0.0\n0.0058,220.0\n")
    write_text(root / "overlays.toml", OVERLAYS)
    return root


TREES: Mapping[str, Builder] = {
    "unmix-eval": unmix_eval,
    "musdb18": musdb18,
    "musdb18-hq": musdb18_hq,
    "dsd100": dsd100,
    "medleydb": medleydb,
    "slakh2100": slakh,
    "ccmixter": ccmixter,
    "ikala": ikala,
    "mir-1k": mir1k,
    "tap-and-fiddle": tap_and_fiddle,
    "mixing-secrets": mixing_secrets,
    "stems": stems,
}


@pytest.fixture
def constant() -> Callable[..., Path]:
    return write_constant


@pytest.fixture
def text() -> Callable[[Path, str], Path]:
    return write_text


@pytest.fixture
def stem_mp4() -> Callable[..., None]:
    return write_stem_mp4


@pytest.fixture
def trees() -> Mapping[str, Builder]:
    """By kind, a function that makes the data set in an empty folder and returns the folder."""
    return TREES
