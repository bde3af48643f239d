"""PU-HPSS: the phases of stems from their magnitudes, their mix and the frame before.

Drossos, Magron, Mimilakis and Virtanen, "Harmonic-percussive source separation with deep neural
networks and phase recovery" (2018), Algorithm 1. The first stem is taken for sinusoids: its phase
goes on from the frame before by what its frequencies turn in a hop. The second starts from the
phase of the mix. Iterations then share out what is missing from the mix while the magnitudes stay
as they are; each of them lowers the mixing error.

Any number of stems may be sinusoids, and any number not. The gains ``V_j² / Σ V_k²`` sum to one
for each number J of stems, and then ``Σ |Y_j - S_j|² / G_j`` with ``Σ Y_j = X`` is at least the
mixing error ``|X - Σ S_j|²`` and equal to it for the Y of an iteration, which the new S lower: so
the error falls for every J, as it does for two.

The frequency of a bin is that of the peak in whose region of influence it lies: peaks above 1 % of
the frame's largest magnitude, by a parabola through three logarithmic magnitudes; the region of a
louder peak is wider. A frame without peaks has each bin at its own frequency.

Frames follow from each other, bins do not: the work goes through tiles of bins, which threads
share, in double precision. A tensor on another device than the CPU is brought here and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from types import ModuleType
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from unmixcli.errors import ResourceError
from unmixcli.pool import run_all

T = TypeVar("T")

# Magnitudes below it are no peaks.
_FLOOR = 1e-6

# Frames that are worked on at once; memory beyond input and output is that of so many.
_BLOCK_FRAMES = 128

# Values times iterations below which starting threads takes longer than the work.
_LITTLE = 2**19


@dataclass(frozen=True, kw_only=True)
class PhaseUnwrapping:
    """The settings of Algorithm 1.

    Attributes:
        n_fft: length of the Fourier transform that made the spectra.
        hop_samples: distance of its frames.
        iterations: that share out the mixing error in each frame.
        unwrapped: so many stems are sinusoids; they come first.

    Raises:
        ValueError: for an n_fft that is odd or below 4, no hop, or a negative number of iterations
            or of stems.
    """

    n_fft: int
    hop_samples: int
    iterations: int = 50
    unwrapped: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.n_fft < 4 or self.n_fft % 2:
            raise ValueError(f"n_fft must be even and 4 or more, not {self.n_fft}")
        if self.hop_samples < 1:
            raise ValueError(f"hop_samples must be 1 or more, not {self.hop_samples}")
        if self.iterations < 0:
            raise ValueError(f"iterations must be 0 or more, not {self.iterations}")
        if self.unwrapped < 0:
            raise ValueError(f"unwrapped must be 0 or more, not {self.unwrapped}")


class PhaseUnwrappingStream:
    """Frames in, as many frames with recovered phases out.

    Beyond the frames in hand it holds the phases of the stems that are unwrapped after the last
    frame's iterations. The output does not depend on how the frames are cut, nor on the number of
    threads, to the bit.

    Args:
        config: the settings.
    """

    def __init__(self, config: PhaseUnwrapping) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget the frames; the next one is a first one, with the phase of the mix."""
        self._directions: Tensor | None = None

    @torch.no_grad()
    def push(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        """Recover the phases of the next frames.

        Shape: magnitudes ``(stems, channels, bins, frames)``, real, not negative, those whose
        phases are unwrapped first; mix ``(channels, bins, frames)``, complex → ``(stems, channels,
        bins, frames)``, dtype and device of the mix, with the magnitudes given.

        Raises:
            ValueError: shapes that do not fit each other, n_fft or the frames before, a mix that is
                not complex, or negative magnitudes.
            ResourceError: if Numba is not installed.
        """
        _check(magnitudes, mix, config=self.config)
        count = mix.shape[-1]
        if not count:
            return mix.new_empty(magnitudes.shape)
        done = []
        if self._directions is None:
            of_mix = _mix_directions(mix[..., :1])
            self._directions = of_mix.expand(self.config.unwrapped, *of_mix.shape)
            first = _frames_first(magnitudes[..., :1]).unsqueeze(-1) * of_mix.unsqueeze(1)
            done.append(torch.view_as_complex(first).to(mix.dtype))
            magnitudes, mix = magnitudes[..., 1:], mix[..., 1:]
        if self._directions.shape[1:3] != mix.shape[:2]:
            raise ValueError(
                f"This stream runs on {tuple(self._directions.shape[1:3])} (channels, bins), not "
                f"{tuple(mix.shape[:2])}; call reset() first"
            )
        for part in _blocks(magnitudes, mix):
            recovered = _recovered(*part, directions=self._directions, config=self.config)
            self._directions = recovered.directions
            done.append(recovered.spectra)
        return torch.cat(done, dim=-2).transpose(-1, -2).to(mix.device)


def recover_phases(magnitudes: Tensor, mix: Tensor, *, config: PhaseUnwrapping) -> Tensor:
    """Recover the phases of whole spectra: one push of a :class:`PhaseUnwrappingStream`.

    Shape: magnitudes ``(stems, channels, bins, frames)``, mix ``(channels, bins, frames)`` →
    ``(stems, channels, bins, frames)``.

    Raises:
        ValueError: as :meth:`PhaseUnwrappingStream.push`.
        ResourceError: if Numba is not installed.
    """
    return PhaseUnwrappingStream(config).push(magnitudes, mix)


@torch.no_grad()
def mixing_error(magnitudes: Tensor, mix: Tensor, *, config: PhaseUnwrapping) -> Tensor:
    """The mixing error before the first and after each iteration, eq. 4 of the paper.

    Summed over channels, bins and all frames but the first, which has no iterations.

    Shape: magnitudes ``(stems, channels, bins, frames)``, mix ``(channels, bins, frames)`` →
    ``(iterations + 1,)`` double, powers on the scale of the mix.

    Raises:
        ValueError: as :meth:`PhaseUnwrappingStream.push`.
        ResourceError: if Numba is not installed.
    """
    _check(magnitudes, mix, config=config)
    errors = torch.zeros(config.iterations + 1, dtype=torch.float64)
    if not mix.shape[-1]:
        return errors
    of_mix = _mix_directions(mix[..., :1])
    directions = of_mix.expand(config.unwrapped, *of_mix.shape)
    for part in _blocks(magnitudes[..., 1:], mix[..., 1:]):
        recovered = _recovered(*part, directions=directions, config=config, traced=True)
        directions = recovered.directions
        errors += recovered.errors
    return errors


@torch.no_grad()
def frequencies(magnitudes: Tensor) -> Tensor:
    """The frequency that each bin is taken for, in bins: times rate / n_fft it is in Hz.

    Shape: ``(..., bins, frames)`` real, 3 bins or more → the same, double.

    Raises:
        ResourceError: if Numba is not installed.
    """
    frames = _frames_first(magnitudes)
    found = torch.empty_like(frames)
    bins = frames.shape[-1]
    _find(frames.view(-1, bins), found.view(-1, bins))
    return found.transpose(-1, -2).to(magnitudes.device)


def _find(magnitudes: Tensor, found: Tensor) -> None:
    """Write the frequencies of ``(frames, bins)``."""
    _kernels().find_frequencies(magnitudes.clamp_min(_FLOOR).numpy(), found.numpy())


class _Recovered(NamedTuple):
    """Some frames.

    Attributes:
        spectra: ``(stems, channels, frames, bins)``, as precise as the mix.
        directions: cosine and sine of the unwrapped stems' phases in the last frame,
            ``(unwrapped, channels, bins, 2)`` double.
        errors: mixing errors, ``(iterations + 1,)`` double; empty if they were not asked for.
    """

    spectra: Tensor
    directions: Tensor
    errors: Tensor


def _recovered(
    magnitudes: Tensor,
    mix: Tensor,
    *,
    directions: Tensor,
    config: PhaseUnwrapping,
    traced: bool = False,
) -> _Recovered:
    """Recover frames from the directions in the frame before them."""
    kernels = _kernels()
    given, mixed = _frames_first(magnitudes), _frames_first(mix)
    channels, _, bins = mixed.shape
    tiles = -(-bins // kernels.TILE_BINS)
    found = torch.empty((config.unwrapped, *mixed.shape), dtype=torch.float64)
    last = directions.contiguous().clone()
    spectra = torch.empty(given.shape, dtype=mixed.dtype)
    errors = torch.zeros((channels, tiles, config.iterations + 1 if traced else 0)).double()
    pairs = (torch.view_as_real(values) for values in (mixed, spectra))
    arrays = (values.numpy() for values in (given, found, last, errors, *pairs))
    block = kernels.Block(*arrays, hop_share=config.hop_samples / config.n_fft)

    def find(place: tuple[int, int]) -> None:
        _find(given[place], found[place])

    def recover(place: tuple[int, int]) -> None:
        kernels.recover(block, *place, config.iterations)

    workers = torch.get_num_threads() if mixed.numel() * config.iterations > _LITTLE else 1
    _for_each(product(range(config.unwrapped), range(channels)), find, workers=workers)
    _for_each(product(range(channels), range(tiles)), recover, workers=workers)
    return _Recovered(spectra.to(mix.dtype), last, errors.sum(dim=(0, 1)))


def _for_each(items: Iterable[T], work: Callable[[T], None], *, workers: int) -> None:
    if workers > 1:
        run_all(work, items, jobs=workers, stop=_nothing_to_stop)
        return
    for item in items:
        work(item)


def _nothing_to_stop() -> None:
    """What runs ends in milliseconds."""


def _blocks(magnitudes: Tensor, mix: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    for start in range(0, mix.shape[-1], _BLOCK_FRAMES):
        frames = slice(start, start + _BLOCK_FRAMES)
        yield magnitudes[..., frames], mix[..., frames]


def _frames_first(values: Tensor) -> Tensor:
    """``(..., bins, frames)`` as contiguous ``(..., frames, bins)`` here, in double precision."""
    dtype = torch.complex128 if values.is_complex() else torch.float64
    turned = values.detach().transpose(-1, -2)
    return turned.cpu().to(dtype).resolve_conj().contiguous()


def _mix_directions(frame: Tensor) -> Tensor:
    """Of ``(channels, bins, 1)``: ``(channels, bins, 2)``; a silent mix has the phase 0."""
    parts = torch.view_as_real(_frames_first(frame)).squeeze(1)
    # Torch rounds complex magnitudes and quotients by their place in memory; products, sums and
    # real quotients it does not.
    squares = parts * parts
    loudness = (squares[..., :1] + squares[..., 1:]).sqrt()
    return torch.where(loudness > 0, parts / loudness, parts.new_tensor([1.0, 0.0]))


def _kernels() -> ModuleType:
    """The compiled loops; Numba takes a second to load, so it comes with the first frames."""
    try:
        from unmixcli.dsp.phase import kernels
    except ModuleNotFoundError as missing:
        raise ResourceError(
            "Phase unwrapping needs the package numba, which is not installed; "
            "type: pip install numba"
        ) from missing
    return kernels


def _check(magnitudes: Tensor, mix: Tensor, *, config: PhaseUnwrapping) -> None:
    bins = config.n_fft // 2 + 1
    if not mix.is_complex() or mix.ndim != 3 or mix.shape[1] != bins:
        raise ValueError(
            f"The mix is complex (channels, {bins} bins, frames) for n_fft {config.n_fft}, not "
            f"{mix.dtype} {tuple(mix.shape)}"
        )
    least = max(1, config.unwrapped)
    fits = magnitudes.ndim == 4 and magnitudes.shape[1:] == mix.shape
    if magnitudes.is_complex() or not fits or len(magnitudes) < least:
        raise ValueError(
            f"The magnitudes of {least} or more stems are real {('stems', *mix.shape)} for this "
            f"mix, not {magnitudes.dtype} {tuple(magnitudes.shape)}"
        )
    if (magnitudes < 0).any():
        raise ValueError("Magnitudes are 0 or more; set negative ones to 0 first")
