"""The stems of one track, written together: finished, checked and renamed, or absent.

Every stem goes to a hidden file in its final folder. Where the format clips, its float samples
are spooled beside it: if a stem of the track turns out to exceed full scale, all stems of the
track are encoded again from there with one gain.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import av
import mutagen
import numpy as np
import soundfile

from unmixcli.audio.blocks import Block, Reblock
from unmixcli.audio.encoders import Encoder, StemLayout, open_encoder
from unmixcli.audio.formats import OutputFormat, output_format
from unmixcli.audio.read import probe
from unmixcli.audio.resample import Resampler
from unmixcli.audio.tags import Tags, write_tags
from unmixcli.errors import InputError, ModelError, ResourceError, UsageError

# The grid on which stems are encoded and dithered, however the samples arrive.
GRID_SAMPLES = 16384

# Below this much free space a failed write is put down to a full disk.
_FULL_DISK_BYTES = 1 << 20

# soundfile asserts that libsndfile wrote every sample; on a full disk it did not, and mutagen
# meets the end of a file that was cut off.
_WRITE_ERRORS = (
    OSError,
    EOFError,
    AssertionError,
    av.FFmpegError,
    mutagen.MutagenError,
    soundfile.SoundFileError,
)


@dataclass(frozen=True)
class StemReport:
    """A written stem: its file, samples a channel, largest magnitude before any gain."""

    path: Path
    samples: int
    peak: float
    silent: bool


@dataclass(frozen=True)
class TrackReport:
    """What was written: the gain that all stems got (0 dB or less), the files' rate in Hz."""

    gain_db: float
    sample_rate: int
    stems: Mapping[str, StemReport]


class TrackWriter:
    """Write the stems of one track; a context manager that aborts when left by an exception.

    ``paths`` gives each stem its file; their folders are created. Samples come as blocks
    ``(channels, n)`` at ``sample_rate`` Hz with full scale at 1. ``tags`` are written with the
    stem's name in the title; ``title`` stands in where they have none. A rate that the
    container cannot hold is converted to the next one that it can.

    The files follow from samples, settings and ``seed`` alone, not from block lengths. Samples
    beyond full scale, in a format that would clip them, bring one gain for all stems.

    Raises ``ResourceError`` for a full disk or a folder that cannot be written to.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        sample_rate: int,
        channels: int,
        format: OutputFormat,
        tags: Tags | None = None,
        title: str = "",
        seed: int = 0,
    ) -> None:
        if not paths or len(set(paths.values())) < len(paths):
            raise UsageError("Every stem needs a file of its own; put {stem} into --name.")
        self._tags = tags
        self._title = title
        self._format = format
        self._file_rate = format.sample_rate_for(sample_rate)
        self._report: TrackReport | None = None
        self._sinks: dict[str, _Sink] = {}
        try:
            for number, (stem, path) in enumerate(paths.items()):
                layout = StemLayout(format, self._file_rate, channels, seed, stem)
                sink = _Sink(path, number=number, layout=layout, from_rate=sample_rate)
                self._sinks[stem] = sink
                sink.open()
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> TrackWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def write(self, blocks: Mapping[str, Block]) -> None:
        """Append a block ``(channels, n)`` to every stem.

        Raises ``ModelError`` for samples that are NaN or infinite.
        """
        if blocks.keys() != self._sinks.keys():
            raise ValueError(f"expected the stems {list(self._sinks)}, not {list(blocks)}")
        for stem, block in blocks.items():
            self._sinks[stem].push(block)
        if self._exceeds_full_scale:
            for sink in self._sinks.values():
                sink.stop_encoding()

    def close(self) -> TrackReport:
        """Complete, check and rename every stem; a second call gives the same report.

        Where anything fails, no stem of the track gets its final name.
        """
        if self._report is None:
            try:
                self._report = self._finish()
            except BaseException:
                self.abort()
                raise
        return self._report

    def abort(self) -> None:
        """Remove every unfinished file; finished ones stay."""
        for sink in self._sinks.values():
            sink.discard()

    @property
    def _exceeds_full_scale(self) -> bool:
        return self._format.clips and any(sink.peak > 1 for sink in self._sinks.values())

    def _finish(self) -> TrackReport:
        sinks = self._sinks.values()
        for sink in sinks:
            sink.drain()
        gain = 1.0
        if self._exceeds_full_scale:
            gain = _largest_level(self._format) / max(sink.peak for sink in sinks)
        for stem, sink in self._sinks.items():
            sink.complete(gain)
            if self._tags is not None:
                sink.tag(self._tags.for_stem(stem, fallback_title=self._title))
            sink.verify()
        self._rename_all()
        stems = {stem: sink.report() for stem, sink in self._sinks.items()}
        return TrackReport(20 * math.log10(gain), self._file_rate, stems)

    def _rename_all(self) -> None:
        """Give every stem its name; interrupted half way, take back those that have it."""
        renamed: list[_Sink] = []
        try:
            for sink in self._sinks.values():
                renamed.append(sink)
                sink.rename()
        except BaseException:
            for sink in renamed:
                sink.take_back()
            raise


class _Sink:
    """One stem on its way to its file."""

    def __init__(self, path: Path, *, number: int, layout: StemLayout, from_rate: int) -> None:
        self.peak = 0.0
        self._samples = 0
        self._taken = 0
        self._path = path
        self._layout = layout
        # Two tracks written at once may end alike: the whole path tells them apart.
        mark = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]
        hidden = f".{path.stem[:20]}.{mark}.{os.getpid()}.{number}"
        self._temporary = path.with_name(hidden + ".part")
        self._spool_path = path.with_name(hidden + ".spool.part")
        self._resampler = Resampler(from_rate, to_rate=layout.sample_rate, channels=layout.channels)
        self._reblock = Reblock(GRID_SAMPLES)
        self._encoder: Encoder | None = None
        self._spool: BinaryIO | None = None

    def open(self) -> None:
        """Create the folder and the temporary files."""
        with self._writing():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "a folder has that name")
            # libsndfile and FFmpeg say less well why a file cannot be created.
            self._temporary.touch()
            self._encoder = open_encoder(self._temporary, layout=self._layout)
            if self._layout.format.clips:
                self._spool = self._spool_path.open("w+b")

    def push(self, block: Block) -> None:
        """Take a block; encode what fills the grid."""
        self._check_finite(block)
        self._taken += block.shape[1]
        for part in self._reblock.push(self._resampler.push(block)):
            self._take(part)

    def drain(self) -> None:
        """Take what is left in the resampler and in the grid."""
        for part in self._reblock.push(self._resampler.finish()):
            self._take(part)
        rest = self._reblock.rest()
        if rest is not None:
            self._take(rest)
        if not self._samples:
            raise InputError(f"{self._path.name} would hold no samples, so it is not written.")

    def stop_encoding(self) -> None:
        """Give up the file at gain 1: the track needs another gain, found at the end."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            with self._writing():
                encoder.close()

    def complete(self, gain: float) -> None:
        """Finish the file; encode it again from the spool where ``gain`` is not 1."""
        if gain != 1:
            self.stop_encoding()
            with self._writing():
                self._encoder = open_encoder(self._temporary, layout=self._layout)
                for block in self._spooled():
                    self._encoder.write(block * np.float32(gain))
        self.stop_encoding()
        self._drop_spool()

    def tag(self, tags: Tags) -> None:
        """Write tags; a file that does not take them stays without."""
        extension = self._layout.format.extension
        with contextlib.suppress(mutagen.MutagenError, ValueError, OverflowError):
            write_tags(self._temporary, tags, extension=extension)

    def verify(self) -> None:
        """Read the file's header back: rate, channels and exact sample count."""
        expected = (self._layout.sample_rate, self._layout.channels, self._samples)
        try:
            info = probe(self._temporary)
            found = (info.sample_rate, info.channels, info.samples)
        except InputError:
            found = None
        if found != expected:
            raise self._failure(OSError(errno.EIO, "what was written does not read back"))

    def rename(self) -> None:
        """Give the file its final name."""
        with self._writing():
            self._temporary.replace(self._path)

    def take_back(self) -> None:
        """Remove the file under its final name too."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the temporary files, whatever state they are in."""
        # An encoder that is stopped half way may fail in its own way; its file goes all the same.
        with contextlib.suppress(Exception):
            self.stop_encoding()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._drop_spool()

    def report(self) -> StemReport:
        """The stem as it was written."""
        return StemReport(self._path, self._samples, self.peak, silent=self.peak == 0)

    def _take(self, block: Block) -> None:
        self._samples += block.shape[1]
        self.peak = max(self.peak, float(np.abs(block).max()))
        with self._writing():
            if self._spool is not None:
                self._spool.write(np.ascontiguousarray(block).data)
            if self._encoder is not None:
                self._encoder.write(block)

    def _spooled(self) -> Iterator[Block]:
        assert self._spool is not None
        self._spool.seek(0)
        channels = self._layout.channels
        while data := self._spool.read(4 * channels * GRID_SAMPLES):
            yield np.frombuffer(data, np.float32).reshape(channels, -1)

    def _drop_spool(self) -> None:
        if self._spool is not None:
            spool, self._spool = self._spool, None
            self._spool_path.unlink(missing_ok=True)
            spool.close()

    def _check_finite(self, block: Block) -> None:
        if block.ndim != 2 or block.shape[0] != self._layout.channels:
            raise ValueError(f"expected ({self._layout.channels}, samples), not {block.shape}")
        if np.isfinite(block.sum(dtype=np.float64)):
            return
        first = int(np.argmin(np.isfinite(block).all(axis=0)))
        at_s = (self._taken + first) / self._resampler.from_rate
        raise ModelError(
            f"The stem '{self._layout.name}' got NaN or infinite samples at {at_s:.3f} s; "
            "try --device cpu or another model."
        )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except _WRITE_ERRORS as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> ResourceError:
        folder, name = self._path.parent, self._path.name
        if _disk_is_full(error, folder):
            return ResourceError(
                f"No space is left in {folder} for {name}; free some or choose another --out."
            )
        reason = getattr(error, "strerror", None) or str(error) or "the encoder failed"
        return ResourceError(
            f"{name} cannot be written to {folder} ({reason}); "
            "choose a folder that you can write to with --out."
        )


def write_audio(
    path: Path, array: Block, sample_rate: int, *, format: OutputFormat | None = None
) -> TrackReport:
    """Write one array ``(channels, samples)`` as a track of one stem.

    Without ``format`` the extension of ``path`` decides, with that format's defaults. Errors
    are those of ``TrackWriter`` and ``output_format``.
    """
    chosen = format or output_format(path.suffix[1:].lower())
    with TrackWriter(
        {path.stem: path}, sample_rate=sample_rate, channels=array.shape[0], format=chosen
    ) as writer:
        writer.write({path.stem: array})
        return writer.close()


def _largest_level(format: OutputFormat) -> float:
    """Full scale less the room that dither needs; lossy formats count as 16 bits."""
    bits = int(format.bits or "16")
    return 1 - 2.0 ** (2 - bits)


def _disk_is_full(error: BaseException, folder: Path) -> bool:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    if isinstance(error, OSError) and error.errno != errno.EIO:
        return False
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return False
    # Virtual file systems have no space at all, and are not full.
    return usage.total > 0 and usage.free < _FULL_DISK_BYTES
