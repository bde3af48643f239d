"""Everything that FFmpeg decodes through PyAV: MP3, AAC and ALAC, WMA, the sound of a video.

FFmpeg drops the encoder delay that a container states (MP3 Info tag, MP4 edit list, Opus
pre-skip). Behind the last sample of an MP4 it leaves the padding of the last frame: that is cut
here, by the sample counts of the container. MP3 and AAC streams that state no delay (no Info
tag, ADTS, MPEG-TS) come as the decoder gives them: those of LAME and of FFmpeg's AAC encoder
then lie 1105 and 1024 samples late. WMA states none either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from unmixcli.audio import headers
from unmixcli.audio.blocks import Block
from unmixcli.audio.source import AudioInfo, truncated
from unmixcli.errors import InputError

# What a container counts and what a decoder gives may differ by a few frames without harm.
_TOLERANCE_SAMPLES = 4 * 1152
_LOOSE_TOLERANCE_S = 0.5

# Timestamps in milliseconds are this far off without any gap.
_SMALLEST_GAP = 128

_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}


@dataclass(frozen=True)
class _Length:
    """Samples of a stream: ``exact`` is known, ``promised`` is compared with what came.

    What comes after ``limit`` is padding.
    """

    exact: int | None = None
    promised: int | None = None
    tolerance: int = _TOLERANCE_SAMPLES
    limit: int | None = None


class PyavSource:
    """Audio stream number ``stream`` (0 is the first) of a file.

    Raises ``InputError`` where the file holds no such stream, ``av.FFmpegError`` where FFmpeg
    does not know the file at all.
    """

    def __init__(self, path: Path, *, kind: headers.Kind, stream: int = 0) -> None:
        self._path = path
        # A file object, because FFmpeg takes names such as "concat:a.mp3" for protocols.
        self._raw = path.open("rb")
        try:
            self._container = av.open(self._raw, "r", metadata_errors="ignore")
            self._stream = _audio_stream(self._container, stream, path=path)
        except BaseException:
            self._raw.close()
            raise
        self._rate = self._stream.rate
        self._channels = self._stream.channels
        self._length, self._has_end = self._stated_length(kind)
        self.info = AudioInfo(
            sample_rate=self._rate,
            channels=self._channels,
            samples=self._length.exact,
            container=self._container.format.name.split(",")[0],
            codec=self._stream.codec.name,
        )

    @property
    def channel_names(self) -> tuple[str, ...]:
        """FL, FR, FC, … in the order of the channels; empty where the file only counts them."""
        names = tuple(channel.name for channel in self._stream.layout.channels)
        return () if "NONE" in names else names

    def decode(self, start: int) -> Iterator[Block]:
        """Blocks ``(channels, n)`` from sample ``start``; what lies before is decoded too."""
        position = 0
        limit = self._length.limit
        for decoded in self._decoded():
            block = decoded if limit is None else decoded[:, : max(0, limit - position)]
            end = position + block.shape[1]
            if end > start:
                yield block[:, max(0, start - position) :]
            position = end
        promised, tolerance = self._length.promised, self._length.tolerance
        short = promised is not None and position < promised - tolerance
        if short or not self._has_end:
            total = promised if self._has_end else None
            raise truncated(self._path, got=position, promised=total, sample_rate=self._rate)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._raw.close()

    def _decoded(self) -> Iterator[Block]:
        origin, position, lost = 0, 0, 0
        for packet in self._packets():
            frames = _frames(packet)
            if not frames:
                lost += self._samples(packet.duration)
            for frame in frames:
                if not position:
                    origin = frame.pts or 0
                gap = self._samples((frame.pts or 0) - origin) - position
                # Silence for what is damaged keeps the rest in time.
                silence = min(gap, lost) if gap >= _SMALLEST_GAP else 0
                if silence:
                    yield np.zeros((self._channels, silence), np.float32)
                block = self._block(frame)
                yield block
                position += silence + block.shape[1]
                lost = 0

    def _packets(self) -> Iterator[av.Packet[AudioStream]]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.FFmpegError):
                return

    def _block(self, frame: AudioFrame) -> Block:
        if frame.sample_rate != self._rate or frame.layout.nb_channels != self._channels:
            raise InputError(
                f"{self._path} changes its sample rate or channel count at {frame.time or 0:.2f} s;"
                " convert it to one rate and one layout first."
            )
        samples = _floats(frame)
        counted = self._samples(frame.duration)
        if self._counts_frames and 0 < counted < samples.shape[1]:
            return samples[:, :counted]
        return samples

    @property
    def _counts_frames(self) -> bool:
        """Whether the container counts the last frame to the sample, as MP4 does."""
        time_base = self._stream.time_base or Fraction(0)
        return _is_mp4(self._container) and (time_base * self._rate).denominator == 1

    def _samples(self, duration: int | None) -> int:
        return round((duration or 0) * (self._stream.time_base or Fraction(0)) * self._rate)

    def _stated_length(self, kind: headers.Kind) -> tuple[_Length, bool]:
        with self._path.open("rb") as raw:
            has_end = kind != "ogg" or headers.ogg_is_complete(raw)
            more = headers.promised_samples(raw, kind=kind, sample_rate=self._rate)
            mp3_samples = headers.mp3_samples(raw)
            timescale = headers.mp4_timescale(raw) if _is_mp4(self._container) else None
        samples = self._samples(self._stream.duration) or None
        name = self._container.format.name
        if kind in ("wav", "aiff", "flac") and samples:
            whole = max(samples, more)
            return _Length(exact=whole, promised=whole, tolerance=0), has_end
        if name == "mp3":
            # No limit: a file may be several MP3s in a row, of which the tag counts the first.
            return _Length(exact=mp3_samples, promised=mp3_samples), has_end
        if _is_mp4(self._container):
            return _mp4_length(samples, timescale=timescale, sample_rate=self._rate), has_end
        if name in ("matroska,webm", "asf") and self._only_sound and self._container.duration:
            promised = self._container.duration * self._rate // av.time_base
            return _Length(None, promised, round(_LOOSE_TOLERANCE_S * self._rate)), has_end
        return _Length(), has_end

    @property
    def _only_sound(self) -> bool:
        return len(self._container.streams) == len(self._container.streams.audio)


def count_streams(path: Path) -> int:
    """Audio streams in a file; ``av.FFmpegError`` where FFmpeg does not know it."""
    with path.open("rb") as raw, av.open(raw, "r", metadata_errors="ignore") as container:
        return len(container.streams.audio)


def _mp4_length(samples: int | None, *, timescale: int | None, sample_rate: int) -> _Length:
    """The length by an edit list, which counts samples or, in FFmpeg's own, milliseconds."""
    if samples is None or not timescale:
        return _Length(promised=samples)
    if timescale % sample_rate == 0:
        return _Length(exact=samples, promised=samples, limit=samples)
    return _Length(promised=samples, limit=samples + -(-sample_rate // timescale))


def _frames(packet: av.Packet[AudioStream]) -> list[AudioFrame]:
    """What a packet decodes to; nothing where it is damaged."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _is_mp4(container: InputContainer) -> bool:
    return "mp4" in container.format.name


def _audio_stream(container: InputContainer, number: int, *, path: Path) -> AudioStream:
    streams = container.streams.audio
    if not streams:
        raise InputError(f"{path} holds no sound; give an audio file or a video with sound.")
    if number >= len(streams):
        raise InputError(f"{path} has {len(streams)} audio streams, so none of number {number}.")
    stream = streams[number]
    if stream.rate < 1 or stream.channels < 1:
        raise InputError(f"{path} is not audio that can be decoded; is it damaged?")
    return stream


def _floats(frame: AudioFrame) -> Block:
    """A frame as float32 ``(channels, samples)`` with full scale at 1."""
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(frame.samples, -1).T
    full_scale = _FULL_SCALE.get(frame.format.name.rstrip("p"))
    if full_scale is None:
        return np.array(array, np.float32, order="C")
    centre = 128 if frame.format.name.startswith("u8") else 0
    return ((array.astype(np.float64) - centre) / full_scale).astype(np.float32, order="C")
