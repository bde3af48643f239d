"""Signals, encoders other than ours, and the lag between two signals."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from av.audio.frame import AudioFrame

from unmixcli.audio.blocks import Block

LAYOUTS = {1: "mono", 2: "stereo"}


@pytest.fixture
def noise() -> Callable[..., Block]:
    """Noise that loses 6 dB an octave, so that every encoder keeps most of it."""

    def make(channels: int, samples: int, *, seed: int = 0) -> Block:
        white = np.random.default_rng(seed).standard_normal((channels, samples + 16))
        smooth = sum(0.8**k * white[:, k : k + samples] for k in range(16))
        return np.asarray(0.1 * smooth, np.float32)

    return make


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """A disk that takes so many bytes a file: what follows is a short write, as when it is full.

    A context, not a fixture around the test: the limit would hold for the log of pytest too.
    """
    resource = pytest.importorskip("resource")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def lag() -> Callable[[Block, Block], int]:
    """Samples that the second signal lies behind the first, by cross-correlation."""

    def measure(reference: Block, signal: Block) -> int:
        size = reference.shape[1] + signal.shape[1]
        spectrum = np.fft.rfft(signal[0], size) * np.conj(np.fft.rfft(reference[0], size))
        at = int(np.argmax(np.fft.irfft(spectrum, size)))
        return at if at < size // 2 else at - size

    return measure


@pytest.fixture
def encode_av() -> Callable[..., Path]:
    """Write one or several audio streams by FFmpeg, and a picture stream on request."""

    def encode(
        path: Path,
        *arrays: Block,
        rate: int,
        codec: str,
        options: dict[str, str] | None = None,
        video: bool = False,
    ) -> Path:
        with av.open(str(path), "w", options=options or {}) as container:
            picture = container.add_stream("mpeg4", rate=25) if video else None
            streams = [container.add_stream(codec, rate=rate) for _ in arrays]
            for stream, array in zip(streams, arrays, strict=True):
                stream.layout = LAYOUTS[array.shape[0]]
                stream.bit_rate = 192000
            if picture is not None:
                _encode_picture(container, picture)
            for stream, array in zip(streams, arrays, strict=True):
                _encode_sound(container, stream, array, rate=rate)
        return path

    return encode


def _encode_sound(container, stream, array: Block, *, rate: int) -> None:
    frame = AudioFrame.from_ndarray(array, format="fltp", layout=LAYOUTS[array.shape[0]])
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    if not stream.codec_context.is_open:
        stream.codec_context.open()
    resampler = av.AudioResampler(
        stream.format, stream.layout, rate, frame_size=stream.codec_context.frame_size or None
    )
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def _encode_picture(container, stream) -> None:
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    container.mux(stream.encode(_grey_frame(32)))
    container.mux(stream.encode(None))


def _grey_frame(size: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), 128, np.uint8), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return frame


@pytest.fixture
def encode_sf() -> Callable[..., Path]:
    """Write by libsndfile in small blocks (its Vorbis encoder crashes on large ones)."""

    def encode(path: Path, array: Block, *, rate: int, **settings) -> Path:
        with soundfile.SoundFile(path, "w", rate, array.shape[0], **settings) as file:
            for start in range(0, array.shape[1], 8192):
                file.write(array[:, start : start + 8192].T)
        return path

    return encode


@pytest.fixture
def png() -> bytes:
    """A small PNG."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        container.mux(stream.encode(_grey_frame(16)))
        container.mux(stream.encode(None))
    return buffer.getvalue()
