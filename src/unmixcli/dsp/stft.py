"""Short-time Fourier transform and its inverse, one-shot and streaming.

Frame t is centred on sample t * hop: the signal is extended by n_fft // 2 on both sides, with zeros
or by reflection. A signal of n samples has n // hop + 1 frames (one more if a hop is longer than
half the window and the last frame would hardly reach the end), and none if it is empty. Spectra are
`(..., bins, frames)` complex64, bins = n_fft // 2 + 1.

The inverse divides the overlap-added frames by the sum of squared windows (Griffin and Lim 1984,
eq. 6), so that it is exact for every hop at which that sum has no zero, up to both ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

# Values of a spectrum that are inverted at once: few megabytes, which stay in the cache and whose
# memory is used again; what is larger comes from the system anew each time, page by page.
_INVERSE_VALUES = 2**20


@dataclass(frozen=True)
class STFTConfig:
    """The settings of a transform.

    Attributes:
        n_fft: length of the Fourier transform.
        hop_samples: distance of frames.
        window_samples: length of the window, centred in n_fft; None means n_fft.
        window: periodic Hann or Hamming.
        edge: how the signal goes on beyond its ends.
    """

    n_fft: int = 4096
    hop_samples: int = 1024
    window_samples: int | None = None
    window: Literal["hann", "hamming"] = "hann"
    edge: Literal["zeros", "reflect"] = "zeros"

    def __post_init__(self) -> None:
        """Check that every sample is covered."""
        length = self.window_length
        if self.n_fft < 2 or self.n_fft % 2:
            raise ValueError(f"n_fft must be even and positive, not {self.n_fft}")
        if not 0 < length <= self.n_fft:
            raise ValueError(f"window_samples must lie in 1..{self.n_fft}, not {length}")
        plain = self.edge == "zeros" and length == self.n_fft
        most, share = (length * 3 // 4, "three quarters of") if plain else (length // 2, "half")
        if not 0 < self.hop_samples <= most:
            raise ValueError(
                f"hop_samples must lie in 1..{most} ({share} the window), not {self.hop_samples}"
            )

    @property
    def window_length(self) -> int:
        """Length of the window in samples."""
        return self.n_fft if self.window_samples is None else self.window_samples

    @property
    def bins(self) -> int:
        """Bins of a frame."""
        return self.n_fft // 2 + 1

    def frames(self, samples: int) -> int:
        """Frames of a signal of so many samples."""
        if not samples:
            return 0
        return (samples + self.extension_after - self.n_fft // 2) // self.hop_samples + 1

    @property
    def extension_after(self) -> int:
        """Samples by which the signal is extended at its end.

        Hops longer than half the window want a frame there that does not only end in the signal.
        """
        half = self.n_fft // 2
        return half if self.hop_samples <= half else half + self.hop_samples - self.n_fft // 4

    def window_tensor(self, *, device: torch.device | None = None) -> Tensor:
        """The window, padded with zeros to n_fft, float32."""
        make = torch.hann_window if self.window == "hann" else torch.hamming_window
        bare = make(self.window_length, periodic=True, device=device)
        before = (self.n_fft - self.window_length) // 2
        return F.pad(bare, (before, self.n_fft - self.window_length - before))


def stft(signal: Tensor, *, config: STFTConfig) -> Tensor:
    """Transform a whole signal.

    Shape: `(..., samples)` float32 to `(..., bins, frames)` complex64.
    """
    stream = STFTStream(config)
    return torch.cat((stream.push(signal), stream.finish()), dim=-1)


def istft(spectrum: Tensor, *, config: STFTConfig, samples: int) -> Tensor:
    """Invert a whole spectrum.

    Shape: `(..., bins, frames)` complex64 to `(..., samples)` float32.

    Raises:
        ValueError: if the spectrum has not the frames of a signal of `samples`.
    """
    stream = InverseSTFTStream(config)
    return torch.cat((stream.push(spectrum), stream.finish(samples)), dim=-1)


class STFTStream:
    """Blocks of samples in, the frames that they complete out.

    The concatenated output has the frames of the one-shot transform.
    """

    def __init__(self, config: STFTConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget the signal."""
        self._pending: Tensor | None = None
        self._started = False
        self._samples = 0
        self._window: Tensor | None = None

    def push(self, block: Tensor) -> Tensor:
        """Return the frames that `block` `(..., samples)` completes: `(..., bins, frames)`."""
        self._samples += block.shape[-1]
        pending = block if self._pending is None else torch.cat((self._pending, block), dim=-1)
        if not self._started:
            # A reflection needs n_fft // 2 samples after the first one.
            if pending.shape[-1] <= self.config.n_fft // 2:
                self._pending = pending
                return self._no_frames(pending)
            pending = self._extend(pending, left=True)
            self._started = True
        return self._transform(pending)

    def finish(self) -> Tensor:
        """Return the frames of the signal's end."""
        pending = self._pending
        if pending is None:
            raise ValueError("finish() before any push(): the number of channels is not known")
        if not self._samples:
            return self._no_frames(pending)
        if not self._started:
            pending = self._extend(pending, left=True)
        return self._transform(self._extend(pending, left=False))

    def _extend(self, signal: Tensor, *, left: bool) -> Tensor:
        half = self.config.n_fft // 2
        pad = (half, 0) if left else (0, self.config.extension_after)
        # At the end n_fft - hop samples or more are pending, and hop <= n_fft // 2: enough.
        if self.config.edge == "reflect" and self._samples > half:
            flat = signal.reshape(1, -1, signal.shape[-1])
            return F.pad(flat, pad, mode="reflect").reshape(*signal.shape[:-1], -1)
        return F.pad(signal, pad)

    def _transform(self, signal: Tensor) -> Tensor:
        n_fft, hop = self.config.n_fft, self.config.hop_samples
        frames = max(0, (signal.shape[-1] - n_fft) // hop + 1)
        self._pending = signal[..., frames * hop :].clone()
        if not frames:
            return self._no_frames(signal)
        if self._window is None:
            self._window = self.config.window_tensor(device=signal.device)
        cut = signal[..., : (frames - 1) * hop + n_fft].unfold(-1, n_fft, hop)
        spectrum: Tensor = torch.fft.rfft(cut * self._window)
        return spectrum.transpose(-1, -2)

    def _no_frames(self, like: Tensor) -> Tensor:
        shape = (*like.shape[:-1], self.config.bins, 0)
        return torch.zeros(shape, dtype=torch.complex64, device=like.device)


class InverseSTFTStream:
    """Frames in, the samples that no later frame changes out.

    The concatenated output is that of the one-shot inverse.
    """

    def __init__(self, config: STFTConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget the frames."""
        self._tail: Tensor | None = None
        self._held: Tensor | None = None
        self._weight: Tensor | None = None
        self._frames = 0
        self._empty: Tensor | None = None
        self._position = 0
        self._delivered = 0
        self._window: Tensor | None = None

    def push(self, spectrum: Tensor) -> Tensor:
        """Return the samples `(..., samples)` that `spectrum` `(..., bins, frames)` completes."""
        if not spectrum.shape[-1]:
            self._empty = spectrum.real.new_zeros((*spectrum.shape[:-2], 0))
            return self._empty
        step = max(1, _INVERSE_VALUES // (spectrum[..., 0].numel() or 1))
        done = [self._push_some(part) for part in spectrum.split(step, dim=-1)]
        return done[0] if len(done) == 1 else torch.cat(done, dim=-1)

    def _push_some(self, spectrum: Tensor) -> Tensor:
        frames, hop = spectrum.shape[-1], self.config.hop_samples
        signal, weight = self._overlap_add(spectrum)
        done = frames * hop
        self._tail, self._weight = signal[..., done:].clone(), weight[done:].clone()
        self._frames += frames
        return self._held_back(self._deliver(signal[..., :done], weight[:done]))

    def finish(self, samples: int) -> Tensor:
        """Return the last samples of a signal of `samples`.

        Raises:
            ValueError: if the frames pushed are not those of such a signal.
        """
        if self._frames != self.config.frames(samples):
            raise ValueError(
                f"{samples} samples have {self.config.frames(samples)} frames, "
                f"but {self._frames} were pushed"
            )
        if self._tail is None or self._weight is None:
            if self._empty is None:
                raise ValueError("finish() before any push(): the number of channels is not known")
            return self._empty
        rest = self._deliver(self._tail, self._weight)
        if self._held is not None:
            rest = torch.cat((self._held, rest), dim=-1)
        return rest[..., : samples - (self._delivered - rest.shape[-1])]

    def _held_back(self, done: Tensor) -> Tensor:
        """Keep what may lie behind the signal's end, which long hops can reach."""
        hold = 2 * (self.config.extension_after - self.config.n_fft // 2)
        if not hold:
            return done
        whole = done if self._held is None else torch.cat((self._held, done), dim=-1)
        count = max(0, whole.shape[-1] - hold)
        self._held = whole[..., count:]
        return whole[..., :count]

    def _overlap_add(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        frames = spectrum.shape[-1]
        n_fft, hop = self.config.n_fft, self.config.hop_samples
        if self._window is None:
            self._window = self.config.window_tensor(device=spectrum.device)
        segments = torch.fft.irfft(spectrum.transpose(-1, -2), n=n_fft) * self._window
        signal = _overlap_added(segments, hop)
        weight = _overlap_added(self._window.square().expand(frames, n_fft), hop)
        if self._tail is not None and self._weight is not None:
            signal[..., : self._tail.shape[-1]] += self._tail
            weight[: self._weight.shape[-1]] += self._weight
        return signal, weight

    def _deliver(self, signal: Tensor, weight: Tensor) -> Tensor:
        # The first n_fft // 2 samples belong to the extension before the signal.
        half = self.config.n_fft // 2
        skip = min(max(0, half - self._position), signal.shape[-1])
        self._position += signal.shape[-1]
        out = signal[..., skip:] / weight[skip:].clamp_min(torch.finfo(weight.dtype).tiny)
        self._delivered += out.shape[-1]
        return out


def _overlap_added(segments: Tensor, hop: int) -> Tensor:
    """Sum `(..., frames, n_fft)` at distances of `hop`: `(..., (frames - 1) * hop + n_fft)`."""
    frames, n_fft = segments.shape[-2:]
    signal = segments.new_zeros((*segments.shape[:-2], frames * hop + n_fft))
    # One addition for each hop-long part of all frames: n_fft / hop long ones, not one a frame.
    for start in range(0, n_fft, hop):
        part = segments[..., start : start + hop]
        places = signal[..., start : start + frames * hop].unflatten(-1, (frames, hop))
        places[..., : part.shape[-1]] += part
    return signal[..., : signal.shape[-1] - hop]
