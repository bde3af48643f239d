"""The harmonic constant-Q transform of Bittner et al. 2017, one-shot and streaming.

For each harmonic h a constant-Q transform whose bins lie h times as high, so that the harmonics of
a pitch stand at one place of an axis of salience. Magnitudes are those of `librosa.cqt` (0.10 and
later, its defaults, no tuning): a tone of amplitude a at the centre of a filter of n samples gives
a / 2 * sqrt(n). They differ by 0.4 % (RMS) and 1 % of the largest at most, by which librosa's
rounded lengths of wavelets and its resampling differ from the formula. Frame t is centred on sample
t * hop; a signal of n samples has 1 + n // hop frames, an empty one none; beyond its ends it is 0.

librosa runs wavelets, octave by octave, over ever slower copies of the signal. Here all of it is
one product in the frequency domain. A wavelet is a Hann window of T seconds on a tone f, so its
spectrum at f + x / T is sinc(x) / (1 - x^2), of which four lobes on each side are kept, about
what librosa keeps. A filter's band is narrow, and its output wanted at every hop alone:
folding the band's bins modulo the number of frames makes that a short inverse transform.

The signal is cut into windows of 2^19 samples (24 s) on a fixed grid, whose ends, half of the
longest wavelet and more, are thrown away. So memory is constant, and the result is the same to the
bit for all ways to cut the signal into blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from unmixcli.dsp.salience import Floats, SalienceAxis

RANGE_DB = 80.0
"""What `decibels` maps to 0..1."""

SMALLEST = 1e-5
"""Magnitudes below it count as it, as in `librosa.amplitude_to_db`."""

_LOBES = 4
# A window is at least so many times as long as what is thrown away at each of its ends.
_WINDOW_TO_CONTEXT = 8


@dataclass(frozen=True)
class HCQTConfig:
    """The settings of a transform; the defaults are those of Deep Salience.

    Attributes:
        axis: the bins of harmonic 1.
        harmonics: in the order of the result's first axis.
        sample_rate: Hz.
        hop_samples: between frames.
    """

    axis: SalienceAxis = field(default_factory=SalienceAxis)
    harmonics: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    sample_rate: int = 22050
    hop_samples: int = 256

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.sample_rate, self.hop_samples) < 1 or not self.harmonics:
            raise ValueError("sample_rate and hop_samples must be at least 1, harmonics not empty")
        top = float(self.frequencies.max()) * (1 + 1 / self.quality)
        if min(self.harmonics) <= 0 or top > self.sample_rate / 2:
            raise ValueError(
                f"harmonics {self.harmonics} reach {top:.0f} Hz: must be above 0, and below half "
                f"of {self.sample_rate} Hz"
            )

    @property
    def frequencies(self) -> Floats:
        """Of the filters in Hz, `(harmonics, bins)`."""
        harmonics = np.asarray(self.harmonics)[:, None]
        frequencies: Floats = harmonics * self.axis.frequencies
        return frequencies

    @property
    def quality(self) -> float:
        """Periods of a wavelet: as many as make every other filter's bands meet (librosa)."""
        ratio = 4 ** (1 / self.axis.bins_per_octave)
        return (ratio + 1) / (ratio - 1)

    @property
    def context_frames(self) -> int:
        """What is thrown away at each end of a window: half the longest wavelet, and a tenth."""
        longest = self.quality * self.sample_rate / float(self.frequencies.min())
        return int(np.ceil(0.55 * longest / self.hop_samples))

    @property
    def window_frames(self) -> int:
        """Frames of a window, a power of two."""
        return 1 << (_WINDOW_TO_CONTEXT * self.context_frames - 1).bit_length()

    @property
    def kept_frames(self) -> int:
        """Frames of a window that are not thrown away."""
        return self.window_frames - 2 * self.context_frames

    def frames(self, samples: int) -> int:
        """Frames of a signal of so many samples."""
        return 1 + samples // self.hop_samples if samples else 0


class HCQT:
    """The filters of a transform, made once; those that several harmonics share run once.

    Args:
        config: of the transform.
        device: where it runs, and where signals must be.

    Attributes:
        samples: of a window.
    """

    def __init__(self, config: HCQTConfig, *, device: torch.device | None = None) -> None:
        self.config = config
        self.device = device or torch.device("cpu")
        self.samples = config.window_frames * config.hop_samples
        # Rounded, since an octave above 32.7 Hz may differ from 65.4 Hz in the last digit.
        frequencies, shared = np.unique(config.frequencies.round(6), return_inverse=True)
        groups = _filters(frequencies, config=config, n_fft=self.samples)
        self._filters = [_to(group, self.device) for group in groups]
        self._shared = torch.from_numpy(shared.reshape(config.frequencies.shape)).to(self.device)

    def magnitudes(self, window: Tensor) -> Tensor:
        """Transform one window, whose first `context_frames` and last ones are thrown away.

        Shape: `(samples,)` float32 to `(harmonics, bins, kept_frames)` float32.
        """
        config = self.config
        kept = slice(config.context_frames, config.context_frames + config.kept_frames)
        spectrum = torch.fft.rfft(window)
        result = torch.empty((int(self._shared.max()) + 1, config.kept_frames), device=self.device)
        for group in self._filters:
            band = spectrum[group.places] * group.weights
            # Where the band starts turns the phases of the frames, not their magnitudes.
            folded = band.unflatten(1, (-1, config.window_frames)).sum(1)
            result[group.rows] = torch.fft.ifft(folded)[:, kept].abs()
        return result[self._shared]


class HCQTStream:
    """Blocks of samples in, the frames that they complete out."""

    def __init__(self, transform: HCQT) -> None:
        self.config = transform.config
        self._transform = transform
        self.reset()

    def reset(self) -> None:
        """Forget the signal."""
        self._pending: list[Tensor] = []
        self._waiting = 0
        self._add(self._zeros(self.config.context_frames * self.config.hop_samples))
        self._samples = 0
        self._frames = 0

    def push(self, block: Tensor) -> Iterator[Tensor]:
        """Take `(samples,)`, yield `(harmonics, bins, frames)` float32 magnitudes by windows."""
        self._samples += block.shape[-1]
        for part in block.split(self._transform.samples):
            self._add(part)
            while self._waiting >= self._transform.samples:
                yield self._next_window()

    def finish(self) -> Iterator[Tensor]:
        """Yield the rest."""
        while (missing := self.config.frames(self._samples) - self._frames) > 0:
            self._add(self._zeros(self._transform.samples))
            yield self._next_window()[..., :missing]

    def _add(self, samples: Tensor) -> None:
        self._pending.append(samples)
        self._waiting += samples.shape[-1]

    def _next_window(self) -> Tensor:
        signal = torch.cat(self._pending)
        kept = self.config.kept_frames
        self._pending = [signal[kept * self.config.hop_samples :].clone()]
        self._waiting = self._pending[0].shape[-1]
        self._frames += kept
        return self._transform.magnitudes(signal[: self._transform.samples])

    def _zeros(self, samples: int) -> Tensor:
        return torch.zeros(samples, device=self._transform.device)


def hcqt(signal: Tensor, *, config: HCQTConfig | None = None) -> Tensor:
    """Transform a whole signal.

    Shape: `(samples,)` float32 to `(harmonics, bins, frames)` float32 magnitudes.
    """
    config = config or HCQTConfig()
    stream = HCQTStream(HCQT(config, device=signal.device))
    empty = torch.zeros((*config.frequencies.shape, 0), device=signal.device)
    return torch.cat((empty, *stream.push(signal), *stream.finish()), dim=-1)


def decibels(magnitudes: Tensor, *, reference: float) -> Tensor:
    """What Deep Salience sees: decibels below `reference`, 80 of them mapped to 0..1.

    A track without sound, whose reference is below `SMALLEST`, gives 0; librosa's formula would
    give 1, the loudest there is.

    Args:
        magnitudes: of a transform, of any shape.
        reference: the largest of all harmonics and frames of the *whole* track.
    """
    if reference <= SMALLEST:
        return torch.zeros_like(magnitudes)
    levels = 20 * torch.log10(magnitudes.clamp(min=SMALLEST) / reference)
    return (levels / RANGE_DB + 1).clamp(min=0)


@dataclass(frozen=True)
class _Filters:
    """Filters whose bands fold into the frames equally often.

    Attributes:
        rows: their numbers among all.
        places: bins of the window's spectrum, `(filters, folds * frames)`.
        weights: of these, alike; 0 beyond the band.
    """

    rows: Tensor
    places: Tensor
    weights: Tensor


def _filters(frequencies: Floats, *, config: HCQTConfig, n_fft: int) -> Iterator[_Filters]:
    """The filters of these frequencies in Hz, in groups."""
    centres = frequencies * n_fft / config.sample_rate
    lobes = centres / config.quality
    first = np.ceil(centres - _LOBES * lobes).astype(np.int64)
    folds = np.ceil((2 * _LOBES * lobes + 1) / config.window_frames).astype(np.int64)
    # The inverse transform divides by the frames where that of the whole divides by the samples.
    gains = np.sqrt(config.quality * config.sample_rate / frequencies) / config.hop_samples
    for count in np.unique(folds):
        rows = np.flatnonzero(folds == count)
        places = first[rows, None] + np.arange(count * config.window_frames)
        weights = gains[rows, None] * _lobe((places - centres[rows, None]) / lobes[rows, None])
        weights[(places < 0) | (places > n_fft // 2)] = 0
        yield _Filters(
            torch.from_numpy(rows),
            torch.from_numpy(places.clip(0, n_fft // 2)),
            torch.from_numpy(weights.astype(np.float32)),
        )


def _lobe(x: Floats) -> Floats:
    """The spectrum of a Hann window of length and sum 1, x in distances of its zeros."""
    safe = np.where(np.abs(np.abs(x) - 1) < 1e-9, 0.0, x)
    spectrum = np.where(safe == x, np.sinc(safe) / (1 - safe**2), 0.5)
    inside: Floats = np.where(np.abs(x) <= _LOBES, spectrum, 0.0)
    return inside


def _to(filters: _Filters, device: torch.device | None) -> _Filters:
    return _Filters(filters.rows.to(device), filters.places.to(device), filters.weights.to(device))
