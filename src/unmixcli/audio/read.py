"""Audio files as streams of blocks, in constant memory, lined up with their source.

libsndfile (through soundfile) decodes WAV, AIFF, FLAC, Ogg Vorbis and Opus, FFmpeg (through
PyAV) everything else; the content of a file decides, never its name. Samples are float32 with
full scale at 1, blocks have shape ``(channels, samples)``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import av
import numpy as np
import soundfile

from unmixcli.audio import headers
from unmixcli.audio.blocks import Block, Reblock
from unmixcli.audio.downmix import stereo_weights
from unmixcli.audio.pyav_source import PyavSource, count_streams
from unmixcli.audio.soundfile_source import SoundfileSource
from unmixcli.audio.source import AudioInfo, Source
from unmixcli.errors import InputError, ResourceError, TruncatedError, UsageError

__all__ = [
    "AUDIO_EXTENSIONS",
    "AudioInfo",
    "AudioReader",
    "count_audio_streams",
    "open_audio",
    "probe",
    "read_audio",
    "spool_stdin",
]

# What counts as audio when a folder is searched; a file named outright is tried whatever it is.
AUDIO_EXTENSIONS = frozenset(
    {
        *(".wav", ".wave", ".w64", ".rf64", ".bwf", ".aif", ".aiff", ".aifc", ".caf", ".au"),
        *(".flac", ".alac", ".wv", ".ape", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aac", ".ac3"),
        *(".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".mka", ".mkv", ".webm", ".wma"),
        *(".avi", ".mpg", ".mpeg", ".ts", ".flv"),
    }
)

_SPOOL_BYTES = 1 << 20


@dataclass(frozen=True)
class _Selection:
    """The part of a file that is read, in samples; ``count`` None means to the end."""

    start: int
    count: int | None

    def length_of(self, samples: int | None) -> int | None:
        """Samples selected from a file of ``samples``; None where nobody knows."""
        if samples is None:
            return None
        left = max(0, samples - self.start)
        return left if self.count is None else min(left, self.count)


class AudioReader:
    """An open audio file; made by ``open_audio``, a context manager, read once.

    ``info`` describes the file, ``channels`` and ``samples`` what ``blocks`` will give:
    ``samples`` is None where the file does not say its length exactly.
    """

    def __init__(
        self, source: Source, *, path: Path, selection: _Selection, block_samples: int
    ) -> None:
        self.info = source.info
        self.channels = min(self.info.channels, 2)
        self.samples = selection.length_of(self.info.samples)
        self._source = source
        self._path = path
        self._selection = selection
        self._block_samples = block_samples

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def blocks(self) -> Iterator[Block]:
        """Blocks ``(channels, block_samples)``, the last one shorter.

        Raises ``TruncatedError`` behind the last block where the file ends before its header
        says so, ``InputError`` where nothing is there or a sample is NaN or infinite.
        """
        reblock = Reblock(self._block_samples)
        given = 0
        cut_off: TruncatedError | None = None
        try:
            for block in self._selected():
                self._check_finite(block, given)
                given += block.shape[1]
                yield from reblock.push(block)
        except TruncatedError as error:
            cut_off = error
        rest = reblock.rest()
        if rest is not None:
            yield rest
        if cut_off is not None:
            raise cut_off
        if not given:
            raise self._nothing()

    def _selected(self) -> Iterator[Block]:
        wanted = self._selection.count
        weights = self._downmix_weights()
        for block in self._source.decode(self._selection.start):
            part = block if wanted is None else block[:, :wanted]
            yield part if weights is None else weights @ part
            if wanted is not None:
                wanted -= part.shape[1]
                if not wanted:
                    return

    def _downmix_weights(self) -> Block | None:
        if self.info.channels <= 2:
            return None
        return stereo_weights(self.info.channels, names=self._source.channel_names)

    def _check_finite(self, block: Block, given: int) -> None:
        # A sum is finite only if every sample is; float64 does not overflow on float32.
        if np.isfinite(block.sum(dtype=np.float64)):
            return
        first = int(np.argmin(np.isfinite(block).all(axis=0)))
        at_s = (self._selection.start + given + first) / self.info.sample_rate
        raise InputError(
            f"{self._path} holds a sample at {at_s:.3f} s that is NaN or infinite; "
            "repair or re-export the file."
        )

    def _nothing(self) -> InputError:
        if self._selection.start:
            at_s = self._selection.start / self.info.sample_rate
            return InputError(f"{self._path} ends before {at_s:.2f} s; give an earlier --start.")
        return InputError(f"{self._path} holds no samples: its length is zero.")


def open_audio(
    path: Path,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    downmix: bool = False,
    block_samples: int = 65536,
    stream: int = 0,
) -> AudioReader:
    """Open a file for reading block by block.

    ``start_s`` and ``duration_s`` are rounded to samples; formats that seek to the sample do,
    the others decode from the beginning. ``stream`` picks an audio stream of a container
    (0 is the first: the mix of a ``.stem.mp4``). ``downmix`` turns more than two channels into
    stereo (ITU-R BS.775-3, never louder than the loudest channel).

    Raises ``InputError`` for a file that is missing, a folder, empty, unreadable, not audio,
    without samples from ``start_s`` on, or of more than two channels without ``downmix``.
    """
    if start_s < 0 or (duration_s is not None and duration_s <= 0):
        raise UsageError("--start must be 0 s or more and --duration above 0 s.")
    source = _open_source(path, stream=stream)
    try:
        _check_channels(path, source.info.channels, downmix=downmix)
        rate = source.info.sample_rate
        count = None if duration_s is None else max(1, round(duration_s * rate))
        selection = _Selection(round(start_s * rate), count)
        reader = AudioReader(source, path=path, selection=selection, block_samples=block_samples)
        if reader.samples == 0:
            raise reader._nothing()
    except BaseException:
        source.close()
        raise
    return reader


def read_audio(
    path: Path,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    downmix: bool = False,
    stream: int = 0,
) -> tuple[Block, int]:
    """A whole file as an array ``(channels, samples)`` and its sample rate in Hz.

    Arguments and errors are those of ``open_audio``.
    """
    with open_audio(
        path, start_s=start_s, duration_s=duration_s, downmix=downmix, stream=stream
    ) as reader:
        return np.concatenate(list(reader.blocks()), axis=1), reader.info.sample_rate


def probe(path: Path) -> AudioInfo:
    """What a file says about its sound, without decoding it; errors as ``open_audio``."""
    source = _open_source(path, stream=0)
    source.close()
    return source.info


def count_audio_streams(path: Path) -> int:
    """Audio streams in a file: 5 in a MUSDB18 ``.stem.mp4``, 1 in a song, 0 in a silent video."""
    _check_readable(path)
    try:
        return count_streams(path)
    except av.FFmpegError as error:
        raise _not_audio(path) from error


def spool_stdin(stream: BinaryIO, folder: Path) -> Path:
    """Copy a stream of bytes to a new file in ``folder``, in bounded memory; the caller deletes it.

    Most decoders must go back and forth in a file, which a pipe cannot. Raises ``InputError``
    where nothing came, ``ResourceError`` where the disk is full.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".stdin.", delete=False) as copy:
            path = Path(copy.name)
            try:
                shutil.copyfileobj(stream, copy, _SPOOL_BYTES)
                if not copy.tell():
                    raise InputError("Nothing came on stdin; pipe an audio file into it.")
            except BaseException:
                copy.close()
                path.unlink()
                raise
    except OSError as error:
        raise ResourceError(
            f"The audio from stdin could not be kept in {folder} ({error.strerror}); "
            "free some space there or give the file by its name."
        ) from error
    return path


def _open_source(path: Path, *, stream: int) -> Source:
    kind = _check_readable(path)
    if kind != "other" and stream == 0:
        try:
            source = SoundfileSource(path, kind=kind)
        except soundfile.LibsndfileError:
            pass
        else:
            if source.usable:
                return source
            source.close()
    try:
        return PyavSource(path, kind=kind, stream=stream)
    except av.FFmpegError as error:
        raise _not_audio(path) from error


def _check_readable(path: Path) -> headers.Kind:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty (0 bytes).")
            return headers.kind_of(file)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give a file.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def _not_audio(path: Path) -> InputError:
    with path.open("rb") as file:
        if file.read(8)[4:] == b"ftyp":
            return InputError(
                f"{path} is cut off or damaged: it lacks the index (moov) without which an MP4 "
                "cannot be decoded; get a complete copy of it."
            )
    return InputError(f"{path} is not an audio or video file, or its format is unknown.")


def _check_channels(path: Path, channels: int, *, downmix: bool) -> None:
    if channels > 2 and not downmix:
        raise InputError(
            f"{path} has {channels} channels, and models take one or two; "
            "add --downmix to mix it to stereo."
        )
