r"""Multichannel Wiener filter: magnitudes of stems and a mix become complex stems.

Each stem j is modelled in each bin as a Gaussian vector over the channels with the covariance
``v_j(frame) R_j``: a power per frame and a spatial covariance that holds for the whole window. From
the current estimates ``y_j``, one iteration of EM (Nugraha et al., 2016, after Duong et al., 2010)
takes

- ``v_j = mean over channels of |y_j|²`` and ``R_j = Σ_frames y_j y_jᴴ / (ε + Σ_frames v_j)``,
- ``y_j ← v_j R_j C⁻¹ x`` with ``C = Σ_k v_k R_k + √ε I``.

The result is that of ``norbert.wiener``. It is computed differently: ``C z = x`` is solved by
elimination, once for all stems, and no inverse or filter is formed. Every Schur complement of C is
at least √ε because the rest of C is positive semidefinite, so pivots are held there against
rounding: nearly rank-one bins (mono music in two channels) stay exact. √ε is 1.5e-8 against powers
up to 100, which single precision cannot hold, hence the work in double.

Bins are independent but for one common scale, so the work goes through tiles of bins that stay in
the cache; beyond its input and output it needs a few megabytes.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Complex values of all stems in one tile. On a CPU the tile and its temporaries then fit the caches
# and still occupy all cores; a GPU wants fewer, larger kernels.
_TILE_VALUES_CPU = 2**18
_TILE_VALUES_GPU = 2**22

# The mix is scaled down until its largest magnitude is this, and never up: ε is meant for it.
_PEAK = 10.0


@torch.no_grad()
def wiener(
    magnitudes: Tensor,
    mix: Tensor,
    *,
    iterations: int = 1,
    softmask: bool = False,
    eps: float | None = None,
) -> Tensor:
    """Separate one window of a mix by the magnitudes of its stems.

    The first estimates are the magnitudes with the phase of the mix or, with ``softmask``, the mix
    times ``m_j / (ε + Σ m_k)``; ``iterations`` of EM refine them. Equals ``norbert.wiener`` on the
    same input in double. Magnitudes may be signed: ``|mix| − Σ magnitudes`` is the residual as one
    more stem. Not differentiable.

    Shape: magnitudes ``(stems, channels or 1, bins, frames)``, real; mix
    ``(channels, bins, frames)``, complex → ``(stems, channels, bins, frames)``, dtype and device of
    the mix.

    Args:
        magnitudes: of the stems, on the linear scale of the mix.
        mix: STFT of the mix.
        iterations: of EM; 0 returns the first estimates.
        softmask: take the first estimates from ratios of the magnitudes.
        eps: regularisation, a power relative to a mix whose peak is 10; the default is the machine
            epsilon of the arithmetic (double, but single where the device has no double). The
            openunmix package uses 1e-10.

    Raises:
        ValueError: shapes that do not fit, a mix that is not complex, a negative number of
            iterations, or ε ≤ 0.
    """
    _check_shapes(magnitudes, mix)
    _check_settings(iterations=iterations, eps=eps)
    stems = mix.new_empty((magnitudes.shape[0], *mix.shape))
    if stems.numel() == 0:
        return stems
    real = torch.float32 if mix.device.type == "mps" else torch.float64
    eps = torch.finfo(real).eps if eps is None else eps
    scale = (_peak(mix, dtype=real) / _PEAK).clamp(min=1.0)
    if iterations == 0:
        scale = torch.ones_like(scale)
    for bins in _tiles(stems):
        gains = _bins_first(magnitudes[:, :, bins], dtype=real)
        tile = _bins_first(mix[:, bins], dtype=real.to_complex())
        if softmask:
            gains /= eps + gains.sum(dim=1, keepdim=True)
            carriers = tile.real / scale, tile.imag / scale
        else:
            carriers = _phases(tile, scale=scale)
        estimates = _planes(gains, carriers)
        for left in reversed(range(iterations)):
            # A refined estimate is linear in the mix, so the last one comes out at full scale.
            estimates = _refined(estimates, tile / scale if left else tile, eps=eps)
        _write(estimates, stems[:, :, bins])
    return stems


class WienerStream:
    """The Wiener filter over consecutive windows of a stream, each filtered by itself.

    The windows lie on a fixed grid from the first frame on, as in the openunmix package's
    Separator (``wiener_win_len=300``), so the output does not depend on how the frames are cut
    into blocks, to the bit. Memory is that of one window. Spatial covariances may change from
    window to window, which suits moving sources; a window of few frames has little to estimate
    them from.

    Args:
        window_frames: frames a window.
        iterations: as in :func:`wiener`.
        softmask: as in :func:`wiener`.
        eps: as in :func:`wiener`.

    Raises:
        ValueError: a window of less than one frame, a negative number of iterations, or ε ≤ 0.
    """

    def __init__(
        self,
        *,
        window_frames: int = 300,
        iterations: int = 1,
        softmask: bool = False,
        eps: float | None = None,
    ) -> None:
        if window_frames < 1:
            raise ValueError(
                f"A Wiener window has at least 1 frame, not {window_frames}; "
                "type window_frames=300."
            )
        _check_settings(iterations=iterations, eps=eps)
        self._window_frames = window_frames
        self._iterations = iterations
        self._softmask = softmask
        self._eps = eps
        self.reset()

    def reset(self) -> None:
        """Forget everything that was pushed."""
        self._held = 0
        self._magnitudes = torch.empty((0, 0, 0, 0))
        self._mix = torch.empty((0, 0, 0), dtype=torch.complex64)

    @torch.no_grad()
    def push(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        """Take frames, give the stems of every window that they complete.

        Shape: as in :func:`wiener`, any number of frames → ``(stems, channels, bins, frames)``
        with a multiple of ``window_frames`` frames, possibly none.

        Raises:
            ValueError: shapes that do not fit each other or what was pushed before.
        """
        _check_shapes(magnitudes, mix)
        self._prepare(magnitudes, mix)
        done = [mix.new_empty((magnitudes.shape[0], *mix.shape[:2], 0))]
        start = 0
        while start < mix.shape[-1]:
            frames = slice(start, start + self._window_frames - self._held)
            part = magnitudes[..., frames], mix[..., frames]
            start += part[1].shape[-1]
            if part[1].shape[-1] == self._window_frames:
                done.append(self._filter(*part))
                continue
            self._hold(*part)
            if self._held == self._window_frames:
                done.append(self.finish())
        return done[1] if len(done) == 2 else torch.cat(done, dim=-1)

    def finish(self) -> Tensor:
        """Give the stems of the frames that are left, fewer than a window, and start anew.

        Shape: ``(stems, channels, bins, frames)``; ``(0, 0, 0, 0)`` if nothing was ever pushed.
        """
        frames = slice(0, self._held)
        self._held = 0
        return self._filter(self._magnitudes[..., frames], self._mix[..., frames])

    def _filter(self, magnitudes: Tensor, mix: Tensor) -> Tensor:
        return wiener(
            magnitudes, mix, iterations=self._iterations, softmask=self._softmask, eps=self._eps
        )

    def _prepare(self, magnitudes: Tensor, mix: Tensor) -> None:
        """Make room for a window when the first frames come, or see that the next ones fit it."""
        if self._mix.numel() == 0:
            window = self._window_frames
            self._magnitudes = magnitudes.new_empty((*magnitudes.shape[:3], window))
            self._mix = mix.new_empty((*mix.shape[:2], window))
        if self._magnitudes.shape[:3] != magnitudes.shape[:3] or (
            self._mix.shape[:2] != mix.shape[:2]
        ):
            raise ValueError(
                f"This Wiener stream runs on magnitudes {tuple(self._magnitudes.shape[:3])} "
                f"(stems, channels, bins), not {tuple(magnitudes.shape[:3])}; call reset() first."
            )

    def _hold(self, magnitudes: Tensor, mix: Tensor) -> None:
        place = slice(self._held, self._held + mix.shape[-1])
        self._magnitudes[..., place] = magnitudes
        self._mix[..., place] = mix
        self._held = place.stop


def _peak(mix: Tensor, *, dtype: torch.dtype) -> Tensor:
    return (mix.real.square() + mix.imag.square()).amax().to(dtype).sqrt()


def _bins_first(values: Tensor, *, dtype: torch.dtype) -> Tensor:
    """Copy ``(…, bins, frames)`` to ``(bins, …, frames)``.

    Contiguous, whatever came in: torch.stft gives frames × bins in memory, and to() would keep it.
    """
    return values.movedim(-2, 0).to(dtype, memory_format=torch.contiguous_format)


def _phases(mix: Tensor, *, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of ``mix / |mix| / scale``.

    A silent value has the phase of its real part's sign, as in angle(). torch's own magnitude and
    division of complex numbers guard against an overflow that cannot happen here, and take five
    times as long.
    """
    re, im = mix.real, mix.imag
    loudness = (re * re).addcmul_(im, im).sqrt_()
    silent = loudness == 0
    loudness = loudness.masked_fill_(silent, 1.0).mul_(scale)
    unit = torch.where(silent, torch.ones_like(re).copysign_(re), re)
    return unit / loudness, im / loudness


def _planes(gains: Tensor, carriers: tuple[Tensor, Tensor]) -> Tensor:
    """Multiply ``(bins, stems, channels or 1, frames)`` with ``(bins, channels, frames)``, twice.

    To planes ``(bins, stems, 2 · channels, frames)``, real parts before imaginary parts.
    """
    bins, channels, frames = carriers[0].shape
    planes = gains.new_empty((bins, gains.shape[1], 2 * channels, frames))
    for half, carrier in zip(planes.chunk(2, dim=2), carriers, strict=True):
        torch.mul(gains, carrier.unsqueeze(1), out=half)
    return planes


def _refined(estimates: Tensor, mix: Tensor, *, eps: float) -> Tensor:
    """One iteration of EM on planes ``(bins, stems, 2 · channels, frames)``.

    The mix is complex ``(bins, channels, frames)``.
    """
    bins, stems, planes, frames = estimates.shape
    channels = planes // 2
    powers = estimates.square().sum(dim=2) / channels
    spatial = _spatial_covariances(estimates, eps + powers.sum(dim=-1))
    # The left half of the real form [[Re, −Im], [Im, Re]] is (Re, Im), all that C needs.
    halves = spatial[..., :channels].reshape(bins, stems, planes * channels)
    covariance = (halves.mT @ powers).view(bins, 2, channels, channels, frames)
    whitened = _solved(covariance, mix, eps=eps)
    filtered = spatial.view(bins, stems * planes, planes) @ whitened
    return filtered.view(estimates.shape).mul_(powers.unsqueeze(2))


def _spatial_covariances(estimates: Tensor, weights: Tensor) -> Tensor:
    """Sum ``y yᴴ`` over the frames and divide by weights ``(bins, stems)``.

    To real forms ``(bins, stems, 2 · channels, 2 · channels)``, which act on planes.
    """
    channels = estimates.shape[2] // 2
    gram = (estimates @ estimates.mT) / weights[..., None, None]
    upper, lower = gram.split(channels, dim=-2)
    (rr, ri), (ir, ii) = upper.split(channels, dim=-1), lower.split(channels, dim=-1)
    real, imag = rr + ii, ir - ri
    top = torch.cat([real, -imag], dim=-1)
    return torch.cat([top, torch.cat([imag, real], dim=-1)], dim=-2)


def _solved(covariance: Tensor, mix: Tensor, *, eps: float) -> Tensor:
    """Solve ``(C + √ε I) z = mix`` by elimination, for all bins and frames at once.

    C is Hermitian and positive semidefinite, given as parts ``(bins, 2, channels, channels,
    frames)`` of which the upper triangle is not read. To planes ``(bins, 2 · channels, frames)``.
    """
    channels = mix.shape[1]
    floor: float = eps**0.5
    # norbert adds ε once more where the inverse is a plain division.
    ridge = floor + eps if channels == 1 else floor
    factors: list[list[Tensor]] = []
    pivots: list[Tensor] = []
    right: list[Tensor] = []
    for i in range(channels):
        pivot, solution = covariance[:, 0, i, i] + ridge, mix[:, i]
        factors.append([])
        for j in range(i):
            entry = torch.complex(covariance[:, 0, i, j], covariance[:, 1, i, j])
            for k in range(j):
                entry = entry - factors[i][k] * pivots[k] * factors[j][k].conj()
            factor = _divided(entry, pivots[j])
            pivot = pivot - (factor * entry.conj()).real
            solution = solution - factor * right[j]
            factors[i].append(factor)
        pivots.append(pivot.clamp(min=floor))
        right.append(solution)
    solved = _back_substituted(factors, pivots, right)
    return torch.stack([z.real for z in solved] + [z.imag for z in solved], dim=1)


def _back_substituted(
    factors: list[list[Tensor]], pivots: list[Tensor], right: list[Tensor]
) -> list[Tensor]:
    """Solve ``D Lᴴ z = right`` with the factors below the unit diagonal of L."""
    solution = [_divided(*pair) for pair in zip(right, pivots, strict=True)]
    for i in reversed(range(len(solution))):
        for j, factor in enumerate(factors[i]):
            solution[j] = solution[j] - factor.conj() * solution[i]
    return solution


def _divided(values: Tensor, divisor: Tensor) -> Tensor:
    return torch.complex(values.real / divisor, values.imag / divisor)


def _write(estimates: Tensor, stems: Tensor) -> None:
    """Copy planes into complex ``(stems, channels, bins, frames)``."""
    parts = torch.view_as_real(stems).unbind(dim=-1)
    for part, half in zip(parts, estimates.chunk(2, dim=2), strict=True):
        part.copy_(half.permute(1, 2, 0, 3))


def _tiles(stems: Tensor) -> list[slice]:
    """Cut the bins so that a tile of all stems has a bounded number of values."""
    count, channels, bins, frames = stems.shape
    budget = _TILE_VALUES_CPU if stems.device.type == "cpu" else _TILE_VALUES_GPU
    step = max(1, budget // (count * channels * frames))
    return [slice(start, start + step) for start in range(0, bins, step)]


def _check_shapes(magnitudes: Tensor, mix: Tensor) -> None:
    if not mix.is_complex() or mix.ndim != 3:
        raise ValueError(
            f"The mix of a Wiener filter is complex (channels, bins, frames), not {mix.dtype} "
            f"{tuple(mix.shape)}; give its STFT, one song at a time."
        )
    fits = magnitudes.ndim == 4 and magnitudes.shape[2:] == mix.shape[1:]
    if magnitudes.is_complex() or not fits or magnitudes.shape[1] not in (1, mix.shape[0]):
        raise ValueError(
            f"Magnitudes {tuple(magnitudes.shape)} do not fit a mix {tuple(mix.shape)}; they are "
            f"real (stems, 1 or {mix.shape[0]}, {mix.shape[1]}, {mix.shape[2]})."
        )


def _check_settings(*, iterations: int, eps: float | None) -> None:
    if iterations < 0:
        raise ValueError(f"A Wiener filter has 0 or more iterations, not {iterations}.")
    if eps is not None and not eps > 0:
        raise ValueError(f"The eps of a Wiener filter is above 0, not {eps}; type eps=1e-10.")
