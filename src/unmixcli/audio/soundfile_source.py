"""WAV, AIFF, FLAC, Ogg and other files that libsndfile decodes.

libsndfile lines up Ogg Vorbis and Opus (pre-skip) to the sample and seeks to the sample in all
of them. It is not used for MP3: without an Info tag its length is a guess, at which it stops,
it gives up on damaged frames and writes to stderr.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from unmixcli.audio import headers
from unmixcli.audio.blocks import Block
from unmixcli.audio.source import AudioInfo, truncated

_BLOCK_SAMPLES = 65536

# After a decoding error what is left of a block is read in pieces of this many samples.
_SALVAGE_SAMPLES = 1024

# libsndfile's figure for a length that it does not know is far beyond any file.
_LENGTH_LIMIT = 1 << 48


class SoundfileSource:
    """One file of at most two channels; ``usable`` says whether it is one."""

    channel_names: tuple[str, ...] = ()

    def __init__(self, path: Path, *, kind: headers.Kind) -> None:
        """Open; ``soundfile.LibsndfileError`` where libsndfile cannot."""
        self._path = path
        self._file = _open(path)
        with path.open("rb") as raw:
            self._promised = headers.promised_samples(
                raw, kind=kind, sample_rate=self._file.samplerate
            )
            self._has_end = kind != "ogg" or headers.ogg_is_complete(raw)
            wav = headers.wav_data(raw) if kind == "wav" else None
        # libsndfile takes a size of 0 at its word, PyAV reads on to the end of the file.
        unsized = wav is not None and wav.size == 0 and wav.streamed
        length_known = 0 <= self._file.frames < _LENGTH_LIMIT and not unsized
        self.usable = self._file.channels <= 2 and length_known
        self.info = AudioInfo(
            sample_rate=self._file.samplerate,
            channels=self._file.channels,
            samples=max(self._file.frames, self._promised) if self._has_end else None,
            container=self._file.format,
            codec=self._file.subtype,
        )

    def decode(self, start: int) -> Iterator[Block]:
        """Blocks ``(channels, n)`` from sample ``start``."""
        position = min(start, self._file.frames)
        self._file.seek(position)
        for block in self._read_on():
            position += block.shape[1]
            yield block
        promised = max(self._file.frames, self._promised) if self._has_end else None
        if promised is None or position < promised:
            rate = self.info.sample_rate
            raise truncated(self._path, got=position, promised=promised, sample_rate=rate)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_on(self) -> Iterator[Block]:
        position = self._file.tell()
        step = _BLOCK_SAMPLES
        while True:
            try:
                block = self._file.read(step, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                if step == _SALVAGE_SAMPLES:
                    return
                step = _SALVAGE_SAMPLES
                self._reopen(position)
                continue
            if not len(block):
                return
            position += len(block)
            yield np.ascontiguousarray(block.T)

    def _reopen(self, position: int) -> None:
        # A decoder that has failed stays failed.
        self._file.close()
        self._file = _open(self._path)
        self._file.seek(position)


def _open(path: Path) -> soundfile.SoundFile:
    # Bytes, because soundfile refuses names that are no valid Unicode.
    return soundfile.SoundFile(os.fsencode(path))
