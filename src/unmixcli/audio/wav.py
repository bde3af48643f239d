"""A WAV file as it is written: RIFF, or RF64 once its data no longer fits into 4 GiB.

Sources: EBU Tech 3306 (RF64: a JUNK chunk keeps the place of ds64), Microsoft's RIFF WAVE
(format tag 1 is PCM, 3 is IEEE float, which also wants a fact chunk). libsndfile writes RF64
only where that is settled before the first sample; how long a stream gets is not known then.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PCM, _IEEE_FLOAT = 1, 3

_DS64_BYTES = 28

RIFF_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True)
class WavLayout:
    """How samples lie in a WAV: rate in Hz, channels, bytes a sample, integer or float."""

    sample_rate: int
    channels: int
    sample_bytes: int
    is_float: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.sample_bytes


class WavFile:
    """Write interleaved little-endian samples; the header is completed by ``close``.

    Raises ``OSError`` as the file does. ``riff_limit`` is the size above which the header
    becomes RF64.
    """

    def __init__(self, path: Path, *, layout: WavLayout, riff_limit: int = RIFF_LIMIT) -> None:
        self._layout = layout
        self._riff_limit = riff_limit
        self._data_bytes = 0
        self._file: BinaryIO = path.open("wb")
        self._file.write(self._header())

    def write(self, samples: bytes) -> None:
        """Append whole frames."""
        self._file.write(samples)
        self._data_bytes += len(samples)

    def close(self) -> None:
        """Pad, fill in the sizes, close; the file is closed even where that fails."""
        try:
            if self._data_bytes % 2:
                self._file.write(b"\0")
            self._file.seek(0)
            self._file.write(self._header())
        finally:
            self._file.close()

    def _header(self) -> bytes:
        tail = self._format_chunk() + self._fact_chunk()
        data = self._data_bytes + self._data_bytes % 2
        riff_size = 4 + 8 + _DS64_BYTES + len(tail) + 8 + data
        if riff_size <= self._riff_limit:
            start = struct.pack("<4sI4s4sI", b"RIFF", riff_size, b"WAVE", b"JUNK", _DS64_BYTES)
            return (
                start + bytes(_DS64_BYTES) + tail + struct.pack("<4sI", b"data", self._data_bytes)
            )
        start = struct.pack("<4sI4s4sI", b"RF64", 0xFFFFFFFF, b"WAVE", b"ds64", _DS64_BYTES)
        sizes = struct.pack("<QQQI", riff_size, self._data_bytes, self._frames, 0)
        return start + sizes + tail + struct.pack("<4sI", b"data", 0xFFFFFFFF)

    def _format_chunk(self) -> bytes:
        layout = self._layout
        fields = struct.pack(
            "<HHIIHH",
            _IEEE_FLOAT if layout.is_float else _PCM,
            layout.channels,
            layout.sample_rate,
            layout.sample_rate * layout.frame_bytes,
            layout.frame_bytes,
            8 * layout.sample_bytes,
        )
        if layout.is_float:
            fields += struct.pack("<H", 0)
        return struct.pack("<4sI", b"fmt ", len(fields)) + fields

    def _fact_chunk(self) -> bytes:
        if not self._layout.is_float:
            return b""
        return struct.pack("<4sII", b"fact", 4, min(self._frames, 0xFFFFFFFF))

    @property
    def _frames(self) -> int:
        return self._data_bytes // self._layout.frame_bytes
