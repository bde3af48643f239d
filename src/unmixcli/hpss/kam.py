"""Kernel additive modelling with local kernels (FitzGerald et al., 2014; Liutkus et al., 2014).

Both powers start at half of the mix's. Six times each stem is taken out by a Wiener filter, and its
power becomes the median of what came out over a rectangle around each bin: long in time for the
harmonic stem, tall in frequency for the percussive one, of other sizes in each band. The last
powers make the masks.

A median sees half a rectangle ahead, the next one half a rectangle of what that saw: after six, six
halves of the longest. So much context makes a stream equal to the whole.

Neither paper names the kernels. These are those of the KAM baseline of Drossos et al. (2018), in Hz
and seconds: `KERNELS`. The code published with that paper divides the seconds by the hop in samples
where it should divide by the hop in seconds: every rectangle is one frame wide, harmonic ones are
single bins, and the last bin of the powers is left at zero. `published=True` is that.

Above 10 kHz what is percussive must last for half of the rectangle's 0.1 s: a shorter click is
nothing to either median, and both stems get half of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.masks import ratio_mask
from unmixcli.dsp.median import median_filter
from unmixcli.dsp.stft import STFTConfig
from unmixcli.hpss.method import exact_chunks, odd

SETTINGS = {
    1: STFTConfig(n_fft=4096, hop_samples=384, window_samples=2049, window="hamming"),
    2: STFTConfig(n_fft=4096, hop_samples=1024, window="hamming"),
}
"""The two transforms of Drossos et al. (2018), at 44.1 kHz."""

BAND_TOPS_HZ = (250.0, 3000.0, 10000.0, 22050.0)
"""Where bands end; the last one goes on to the last bin, whatever the rate."""

KERNELS = (
    ((0.0, 0.1), (0.0, 0.1), (5.0, 0.1), (5.0, 0.4)),
    ((30.0, 0.02), (150.0, 0.0), (200.0, 0.01), (500.0, 0.1)),
)
"""Heights in Hz and widths in seconds in each band, of the harmonic and the percussive stem."""

# Far below any power; 0 / 0 becomes one half.
_EPS = 1e-30


@dataclass(frozen=True)
class Kernel:
    """A rectangle of medians in a band of bins, from `start` to before `stop`; sizes are odd."""

    start: int
    stop: int
    bins: int
    frames: int


@dataclass(frozen=True)
class KernelMethod:
    """Wiener filters and medians in turn.

    Attributes:
        stft: the transform.
        sample_rate: Hz.
        published: take the kernels that the published code builds.
        iterations: of both.
    """

    stft: STFTConfig
    sample_rate: int
    published: bool = False
    iterations: int = 6

    @cached_property
    def kernels(self) -> tuple[tuple[Kernel, ...], ...]:
        """Of each stem, a rectangle in each band that there is at this rate."""
        return tuple(tuple(self._bands(sizes)) for sizes in KERNELS)

    @property
    def chunks(self) -> ChunkConfig:
        """The grid: a mask looks half the widest rectangle ahead in each iteration."""
        widest = max(kernel.frames for stem in self.kernels for kernel in stem)
        return exact_chunks(self.iterations * (widest // 2))

    def masks(self, mix: Tensor) -> Tensor:
        """Masks of harmonic and percussive; see `FrameMethod`.

        They sum to one, but for the last bin of the published kernels, which nobody gets.
        """
        power = mix.abs().square().unsqueeze(1)
        powers = (power / 2).expand(-1, len(self.kernels), *power.shape[2:])
        for _ in range(self.iterations):
            estimates = ratio_mask(powers, exponent=1, eps=_EPS).square_().mul_(power)
            powers = torch.stack(
                [
                    self._smoothed(*pair)
                    for pair in zip(estimates.unbind(1), self.kernels, strict=True)
                ],
                dim=1,
            )
        masks = ratio_mask(powers, exponent=1, eps=_EPS)
        if self.published:
            masks[..., -1, :] = 0
        return masks

    def _bands(self, sizes: tuple[tuple[float, float], ...]) -> list[Kernel]:
        bin_hz = self.sample_rate / self.stft.n_fft
        frame_s = self.stft.hop_samples / (1 if self.published else self.sample_rate)
        bands, start = [], 0
        for number, (top_hz, (height_hz, width_s)) in enumerate(
            zip(BAND_TOPS_HZ, sizes, strict=True)
        ):
            last = number == len(BAND_TOPS_HZ) - 1
            stop = self.stft.bins if last else min(self.stft.bins, round(top_hz / bin_hz))
            if stop > start:
                bands.append(Kernel(start, stop, odd(height_hz / bin_hz), odd(width_s / frame_s)))
            start = max(start, stop)
        return bands

    def _smoothed(self, powers: Tensor, kernels: tuple[Kernel, ...]) -> Tensor:
        """Medians in each band; rectangles at its edges reach into the next one."""
        parts = []
        for kernel in kernels:
            low = max(0, kernel.start - kernel.bins // 2)
            seen = powers[..., low : kernel.stop + kernel.bins // 2, :]
            smooth = median_filter(seen, bins=kernel.bins, frames=kernel.frames)
            parts.append(smooth[..., kernel.start - low : kernel.stop - low, :])
        return torch.cat(parts, dim=-2)
