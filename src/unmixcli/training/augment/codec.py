"""A round trip through MP3 or AAC in memory, aligned to the sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
import torch
from av.audio.frame import AudioFrame
from torch import Tensor

from unmixcli.training.augment.draw import Draw, untouched_at_zero

_Samples = npt.NDArray[np.float32]
_KBPS = (64.0, 256.0)
# The signal backwards, before its start: the first frames of an encoder are worse than others,
# which an excerpt from within a song would not have.
_LEAD_SAMPLES = 8192


@dataclass(frozen=True)
class _Codec:
    """FFmpeg's names, and the rates there are."""

    encoder: str
    decoder: str
    rates: tuple[int, ...]


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_CODECS = {
    "mp3": _Codec("libmp3lame", "mp3float", _MP3_RATES),
    "aac": _Codec("aac", "aac", (*_MP3_RATES, 64000, 88200, 96000)),
}


def coded(
    signal: Tensor, *, codec: Literal["mp3", "aac"], bitrate_kbps: float, sample_rate: int
) -> Tensor:
    """Encode and decode, without the delay.

    Shape: `(..., channels, samples)`, kept; one or two channels.

    Args:
        signal: float32 on any device.
        codec: LAME's MP3 or FFmpeg's AAC.
        bitrate_kbps: of all channels together; the encoder takes the nearest that it has.
        sample_rate: Hz.

    Raises:
        ValueError: for a sample rate that the codec does not have or more than two channels.
    """
    chosen = _CODECS[codec]
    if sample_rate not in chosen.rates:
        raise ValueError(
            f"{codec} has the sample rates {', '.join(map(str, chosen.rates))}, not {sample_rate}"
        )
    if signal.shape[-2] not in (1, 2):
        raise ValueError(f"{codec} takes one or two channels, not {signal.shape[-2]}")
    flat = signal.detach().cpu().reshape(-1, *signal.shape[-2:]).numpy()
    trip = _Trip(chosen, sample_rate=sample_rate, bitrate=round(1000 * bitrate_kbps))
    done = [torch.from_numpy(trip.run(samples)) for samples in flat]
    return torch.stack(done).reshape(signal.shape).to(signal.device)


@untouched_at_zero
def codec(signal: Tensor, draw: Draw) -> Tensor:
    """Code as MP3 or AAC at 256 kbit/s down to, at strength 1, anything above 64.

    Shape: `(..., channels, samples)`, kept.
    """
    low, high = _KBPS
    least = math.exp(math.log(high) - draw.strength * math.log(high / low))
    return coded(
        signal,
        codec="mp3" if draw.uniform() < 0.5 else "aac",
        bitrate_kbps=draw.log_uniform(least, high),
        sample_rate=draw.sample_rate,
    )


@dataclass(frozen=True)
class _Trip:
    codec: _Codec
    sample_rate: int
    bitrate: int

    def run(self, samples: _Samples) -> _Samples:
        """Code `(channels, samples)`."""
        longer = np.pad(samples, ((0, 0), (_LEAD_SAMPLES, 0)), mode="symmetric")
        encoder = self._encoder(samples.shape[0])
        packets = [
            packet for frame in self._frames(longer, encoder) for packet in encoder.encode(frame)
        ]
        decoder = self._decoder(encoder.extradata)
        blocks = [f.to_ndarray() for packet in [*packets, None] for f in decoder.decode(packet)]
        # The first packet is as far before 0 as encoder and decoder delay together.
        start = _LEAD_SAMPLES - packets[0].pts
        coded_samples = np.concatenate(blocks, axis=1)[:, start : start + samples.shape[1]]
        return np.ascontiguousarray(coded_samples)

    def _encoder(self, channels: int) -> Any:
        encoder: Any = av.CodecContext.create(self.codec.encoder, "w")
        encoder.sample_rate = self.sample_rate
        encoder.layout = _layout(channels)
        encoder.format = "fltp"
        encoder.bit_rate = self.bitrate
        encoder.time_base = Fraction(1, self.sample_rate)
        encoder.open()
        return encoder

    def _decoder(self, extradata: bytes | None) -> Any:
        decoder: Any = av.CodecContext.create(self.codec.decoder, "r")
        # Else some decoders drop the delay themselves and others do not.
        decoder.options = {"flags2": "+skip_manual"}
        if extradata:
            decoder.extradata = extradata
        return decoder

    def _frames(self, samples: _Samples, encoder: Any) -> Iterator[AudioFrame | None]:
        """Cut into frames of the encoder's length; None at the end flushes it."""
        for start in range(0, samples.shape[1], encoder.frame_size):
            block = np.ascontiguousarray(samples[:, start : start + encoder.frame_size])
            frame = AudioFrame.from_ndarray(block, "fltp", _layout(len(block)))
            frame.sample_rate = self.sample_rate
            frame.time_base = encoder.time_base
            frame.pts = start
            yield frame
        yield None


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"
