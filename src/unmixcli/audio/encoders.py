# mypy: allow-untyped-calls
"""One encoder a container: blocks in, a finished file out, at full scale 1.

Encoders get blocks of one fixed length (only the last is shorter), so that what they write does
not depend on how the samples arrived. None of them resamples, changes levels or renames.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from mutagen.ogg import OggPage

from unmixcli.audio.blocks import Block
from unmixcli.audio.dither import Dither
from unmixcli.audio.formats import OutputFormat
from unmixcli.audio.wav import WavFile, WavLayout

# Samples of an AAC frame (ISO/IEC 14496-3); the blocks of the writer are a multiple of it.
_AAC_FRAME = 1024

# An Info tag of LAME fits into frames of at least this many bytes; smaller ones get none,
# and then nobody can tell the encoder's delay.
_INFO_TAG_BYTES = 220

# Nominal kbit/s of Vorbis qualities 0 to 10 for 44.1 kHz stereo (libvorbis).
_VORBIS_KBPS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)


@dataclass(frozen=True)
class StemLayout:
    """What an encoder must know: the format, rate in Hz, channels, the dither's seed and name."""

    format: OutputFormat
    sample_rate: int
    channels: int
    seed: int
    name: str


class Encoder(Protocol):
    """Writes one file."""

    def write(self, block: Block) -> None:
        """Append a block ``(channels, n)``."""

    def close(self) -> None:
        """Complete the file."""


def open_encoder(path: Path, *, layout: StemLayout) -> Encoder:
    """Begin a file of ``layout.format``; ``OSError`` and the like where it cannot be written."""
    container = layout.format.container
    if container == "wav":
        return WavEncoder(path, layout=layout)
    if container == "flac":
        return FlacEncoder(path, layout=layout)
    if container == "m4a":
        return AacEncoder(path, layout=layout)
    return LossyEncoder(path, layout=layout)


class WavEncoder:
    """WAV with 16 or 24 bits (dithered) or 32-bit float."""

    def __init__(self, path: Path, *, layout: StemLayout) -> None:
        bits = layout.format.bits
        self._dither = None if bits == "32f" else _dither(layout)
        self._bytes = 4 if bits == "32f" else int(bits or "24") // 8
        self._number = 0
        self._file = WavFile(
            path,
            layout=WavLayout(layout.sample_rate, layout.channels, self._bytes, bits == "32f"),
        )

    def write(self, block: Block) -> None:
        """Append a block ``(channels, n)``."""
        if self._dither is None:
            self._file.write(block.T.astype("<f4").tobytes())
            return
        integers = self._dither.quantise(block, number=self._number).T.astype("<i4")
        self._number += 1
        low_bytes = np.ascontiguousarray(integers).view(np.uint8).reshape(-1, 4)[:, : self._bytes]
        self._file.write(low_bytes.tobytes())

    def close(self) -> None:
        """Complete the header."""
        self._file.close()


class FlacEncoder:
    """FLAC with 16 or 24 bits, dithered."""

    def __init__(self, path: Path, *, layout: StemLayout) -> None:
        bits = int(layout.format.bits or "24")
        self._dither = _dither(layout)
        self._shift = 32 - bits
        self._number = 0
        self._file = soundfile.SoundFile(
            os.fsencode(path),
            "w",
            layout.sample_rate,
            layout.channels,
            f"PCM_{bits}",
            format="FLAC",
        )

    def write(self, block: Block) -> None:
        """Append a block ``(channels, n)``."""
        integers = self._dither.quantise(block, number=self._number)
        self._number += 1
        # libsndfile keeps the upper bits of an int32.
        self._file.write(np.ascontiguousarray(integers.T << self._shift))

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


class LossyEncoder:
    """MP3, Ogg Vorbis and Ogg Opus by libsndfile."""

    def __init__(self, path: Path, *, layout: StemLayout) -> None:
        self._path = path
        self._layout = layout
        subtypes = {"mp3": "MPEG_LAYER_III", "ogg": "VORBIS", "opus": "OPUS"}
        container = layout.format.container
        self._file = soundfile.SoundFile(
            os.fsencode(path),
            "w",
            layout.sample_rate,
            layout.channels,
            subtypes[container],
            format="MP3" if container == "mp3" else "OGG",
            compression_level=compression_level(layout),
            bitrate_mode=_bitrate_mode(layout),
        )

    def write(self, block: Block) -> None:
        """Append a block ``(channels, n)``."""
        self._file.write(np.ascontiguousarray(block.T))

    def close(self) -> None:
        """Flush and close."""
        self._file.close()
        if self._layout.format.container != "mp3":
            name = f"{self._layout.seed} {self._layout.name}".encode("utf-8", "surrogateescape")
            _set_ogg_serial(self._path, zlib.crc32(name))


class AacEncoder:
    """AAC in M4A by FFmpeg, with an edit list that is exact to the sample."""

    def __init__(self, path: Path, *, layout: StemLayout) -> None:
        self._names = ("stereo", "mono")[layout.channels == 1]
        self._rate = layout.sample_rate
        self._position = 0
        # The edit list counts in the movie's time base, by default milliseconds.
        options = {"movie_timescale": str(self._rate)}
        # The prefix, because FFmpeg takes names with a colon for protocols; no file object,
        # because some versions of PyAV crash when one fails.
        self._container = av.open(f"file:{path}", "w", format="ipod", options=options)
        self._stream = self._container.add_stream("aac", rate=self._rate)
        self._stream.layout = self._names
        self._stream.bit_rate = 1000 * (layout.format.bitrate_kbps or 0)

    def write(self, block: Block) -> None:
        """Append a block ``(channels, n)``."""
        for start in range(0, block.shape[1], _AAC_FRAME):
            samples = np.ascontiguousarray(block[:, start : start + _AAC_FRAME])
            frame = AudioFrame.from_ndarray(samples, format="fltp", layout=self._names)
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._position
            self._position += samples.shape[1]
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Flush the encoder and write the index; the file is closed even where that fails."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def compression_level(layout: StemLayout) -> float:
    """libsndfile's setting between 0 (largest) and 1 for the bitrate of ``layout``.

    It maps MP3 bitrates linearly to the range of the MPEG version, Opus to 6 to 256 kbit/s a
    channel, and Vorbis to qualities 10 to 0, which hit a bitrate only roughly.
    """
    total = float(layout.format.bitrate_kbps or 0)
    each = total / layout.channels
    if layout.format.container == "mp3":
        low, high = _mp3_range(layout.sample_rate)
        level = (high - total) / (high - low)
    elif layout.format.container == "opus":
        level = 1 - (each - 6) / 250
    else:
        stereo_at_44k = 2 * each * 44100 / min(layout.sample_rate, 48000)
        level = 1 - float(np.interp(stereo_at_44k, _VORBIS_KBPS, np.linspace(0, 1, 11)))
    return min(max(level, 0.0), 0.99)


def _mp3_range(sample_rate: int) -> tuple[int, int]:
    """Bitrates that libsndfile offers for MPEG 1, 2 and 2.5."""
    if sample_rate >= 32000:
        return 32, 320
    return (8, 160) if sample_rate >= 16000 else (8, 64)


def _bitrate_mode(layout: StemLayout) -> str | None:
    if layout.format.container != "mp3":
        return None
    frame_samples = 144 if layout.sample_rate >= 32000 else 72
    rate_kbps = min(layout.format.bitrate_kbps or 0, _mp3_range(layout.sample_rate)[1])
    frame_bytes = frame_samples * 1000 * rate_kbps / layout.sample_rate
    return "CONSTANT" if frame_bytes >= _INFO_TAG_BYTES else "AVERAGE"


def _dither(layout: StemLayout) -> Dither:
    return Dither(int(layout.format.bits or "24"), seed=layout.seed, name=layout.name)


def _set_ogg_serial(path: Path, serial: int) -> None:
    """Replace libsndfile's random stream number, so that the same run gives the same bytes."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        position = 0
        while position < end:
            file.seek(position)
            page = OggPage(file)
            page.serial = serial
            file.seek(position)
            file.write(page.write())
            position = file.tell()
