"""The few bytes of a file that decide who decodes it and whether it is complete.

Sources: EBU Tech 3306 (WAV, RF64), AIFF-C draft 1991, RFC 3533 (Ogg pages), the Xing/LAME tag.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

Kind = Literal["wav", "aiff", "flac", "ogg", "sound", "other"]

# Fields of a Xing tag: flag bit and bytes.
_XING_FRAMES = 1
_XING_SIZES = {_XING_FRAMES: 4, 2: 4, 4: 100, 8: 4}

# What a Layer III decoder adds; padding below it leaves the end of the last frame undecoded.
_MP3_DECODER_DELAY = 529

_CHUNK_LIMIT = 10_000


def kind_of(file: BinaryIO) -> Kind:
    """By its first bytes, never by its name; "sound" is other PCM that libsndfile reads."""
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    by_magic: dict[bytes, Kind] = {b"fLaC": "flac", b"OggS": "ogg"}
    others: tuple[bytes, ...] = (b"caff", b".snd", b"riff")
    return by_magic.get(head[:4], "sound" if head[:4] in others else "other")


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    size: int


def _chunks(file: BinaryIO, byte_order: str) -> Iterator[_Chunk]:
    position = 12
    for _ in range(_CHUNK_LIMIT):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = head[:4], struct.unpack(byte_order + "I", head[4:])[0]
        yield _Chunk(name, position + 8, size)
        position += 8 + size + size % 2


def _body(file: BinaryIO, chunk: _Chunk, length: int) -> bytes:
    file.seek(chunk.start)
    return file.read(length).ljust(length, b"\0")


@dataclass(frozen=True)
class WavData:
    """The data chunk of a WAV: what the header says, and what the file has."""

    size: int
    present: int
    bytes_per_second: int
    file_complete: bool

    @property
    def streamed(self) -> bool:
        """Whether the size is a placeholder of a program that could not go back to fill it in."""
        if self.size == 0:
            return self.present > 0 and not self.file_complete
        return self.size == 0xFFFFFFFF or 0x7FFFF000 <= self.size <= 0x80000000

    @property
    def promised_s(self) -> float | None:
        """Seconds that the header promises where the file is too short for them, else None."""
        if self.streamed or self.size <= self.present or not self.bytes_per_second:
            return None
        return self.size / self.bytes_per_second


def wav_data(file: BinaryIO) -> WavData | None:
    """Find the data chunk of a RIFF, RIFX or RF64 file; None where there is none."""
    file.seek(0)
    head = file.read(8).ljust(8, b"\0")
    order = ">" if head[:4] == b"RIFX" else "<"
    end = file.seek(0, os.SEEK_END)
    file_complete = struct.unpack(order + "I", head[4:])[0] + 8 == end
    rate, long_size = 0, None
    for chunk in _chunks(file, order):
        if chunk.name == b"fmt ":
            rate = struct.unpack(order + "I", _body(file, chunk, 12)[8:])[0]
        elif chunk.name == b"ds64":
            long_size = struct.unpack("<Q", _body(file, chunk, 16)[8:])[0]
        elif chunk.name == b"data":
            size = long_size if long_size and chunk.size == 0xFFFFFFFF else chunk.size
            return WavData(size, end - chunk.start, rate, file_complete)
    return None


def aiff_promised(file: BinaryIO) -> int | None:
    """Sample frames that an AIFF promises where the file is too short for them, else None."""
    end = file.seek(0, os.SEEK_END)
    frames = None
    for chunk in _chunks(file, ">"):
        if chunk.name == b"COMM":
            frames = struct.unpack(">I", _body(file, chunk, 6)[2:])[0]
        elif chunk.name == b"SSND" and chunk.start + chunk.size > end:
            return frames
    return None


def promised_samples(file: BinaryIO, *, kind: Kind, sample_rate: int) -> int:
    """Samples that the header of a WAV or AIFF promises and the file is too short for, else 0."""
    if kind == "aiff":
        return aiff_promised(file) or 0
    data = wav_data(file) if kind == "wav" else None
    promised_s = data.promised_s if data else None
    return round(promised_s * sample_rate) if promised_s else 0


def ogg_is_complete(file: BinaryIO) -> bool:
    """Whether the last page carries the end-of-stream flag (RFC 3533, section 6, bit 0x04)."""
    end = file.seek(0, os.SEEK_END)
    # A page is at most 65307 bytes, so this span holds the start of the last one.
    start = max(0, end - 2 * 65307)
    file.seek(start)
    tail = file.read()
    last = tail.rfind(b"OggS")
    if last < 0 or last + 27 > len(tail) or not tail[last + 5] & 0x04:
        return False
    lacing = tail[last + 27 : last + 27 + tail[last + 26]]
    return len(tail) >= last + 27 + tail[last + 26] + sum(lacing)


def mp3_samples(file: BinaryIO) -> int | None:
    """Samples of an MP3 whose first frame is a Xing or Info tag that counts the frames.

    The delay and padding that LAME and FFmpeg write behind it are subtracted, as a decoder
    drops them. None for another file, or where the tag does not count.
    """
    file.seek(_behind_id3(file))
    frame = file.read(4096)
    found = [at for at in (frame.find(b"Xing"), frame.find(b"Info")) if 4 <= at < 256]
    if not found or len(frame) < min(found) + 144 or frame[0] != 0xFF:
        return None
    tag = frame[min(found) :]
    flags = tag[7]
    if not flags & _XING_FRAMES:
        return None
    # MPEG-1 frames hold two granules, those of MPEG-2 and 2.5 one.
    frame_samples = 1152 if frame[1] & 0x18 == 0x18 else 576
    samples = frame_samples * int.from_bytes(tag[8:12], "big")
    encoder = 8 + sum(size for flag, size in _XING_SIZES.items() if flags & flag)
    if tag[encoder : encoder + 4] in (b"LAME", b"Lavf", b"Lavc"):
        delays = int.from_bytes(tag[encoder + 21 : encoder + 24], "big")
        delay, padding = delays >> 12, delays & 0xFFF
        samples -= delay + _MP3_DECODER_DELAY + max(0, padding - _MP3_DECODER_DELAY)
    return samples


def mp4_timescale(file: BinaryIO) -> int | None:
    """Units a second in which an MP4 counts its edit list (ISO/IEC 14496-12, mvhd box)."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    for _ in range(_CHUNK_LIMIT):
        file.seek(position)
        head = file.read(40)
        if len(head) < 40:
            return None
        size, name = struct.unpack(">I4s", head[:8])
        if name == b"moov":
            # The first box inside is mvhd; its version decides how long the times are.
            version_1 = head[16] == 1
            return int.from_bytes(head[36:40] if version_1 else head[28:32], "big")
        length = int.from_bytes(head[8:16], "big") if size == 1 else size or end - position
        position += max(length, 8)
    return None


def _behind_id3(file: BinaryIO) -> int:
    position = 0
    while True:
        file.seek(position)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            return position
        position += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)


def _syncsafe(four: bytes) -> int:
    return four[0] << 21 | four[1] << 14 | four[2] << 7 | four[3]
