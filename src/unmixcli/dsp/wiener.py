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

Bins are independent but for one common scale, so the work goes through tiles of bins; beyond its
input and output it needs some tens of megabytes. What sums over frames, stems or channels is one
small product of real matrices a bin, with real and imaginary parts as rows of their own. On a CPU
a few threads of this module take the tiles: waiting for torch's own threads at each of a hundred
short operations takes longer than the work where other programs want the cores too.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

# Values of all stems in one channel of a tile: enough that an operation outweighs its call, few
# enough for the cache; a GPU wants fewer, larger kernels.
_TILE_VALUES_CPU = 2**17
_TILE_VALUES_GPU = 2**21

# More threads would only wait for the interpreter between operations.
_MOST_WORKERS = 4

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

    # Both are settings of a thread, and the tiles have threads of their own.
    inference = torch.is_inference_mode_enabled()

    def fill(bins: slice) -> None:
        with torch.inference_mode(inference), torch.no_grad():
            tile = _bins_first(mix[:, bins], dtype=real.to_complex())
            gains = _bins_first(magnitudes[:, :, bins], dtype=real)
            estimates = _first_estimates(gains, tile, softmask=softmask, eps=eps, scale=scale)
            for left in reversed(range(iterations)):
                # A refined estimate is linear in the mix, so the last one comes out at full scale.
                given = [values / scale for values in tile] if left else tile
                estimates = _refined(estimates, given, eps=eps)
            _write(estimates, stems[:, :, bins])

    _for_each(_tiles(stems), fill, workers=_workers(mix.device))
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

    @property
    def frames_left(self) -> int:
        """Frames that complete the window in hand, at least 1."""
        return self._window_frames - self._held

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


def _bins_first(values: Tensor, *, dtype: torch.dtype) -> list[Tensor]:
    """Cut ``(…, channels, bins, frames)`` into channels ``(bins, …, frames)``.

    Contiguous, whatever came in: torch.stft gives frames × bins in memory, and to() would keep it.
    """
    return [
        channel.movedim(-2, 0).to(dtype, memory_format=torch.contiguous_format)
        for channel in values.unbind(dim=-3)
    ]


def _first_estimates(
    gains: list[Tensor], mix: list[Tensor], *, softmask: bool, eps: float, scale: Tensor
) -> Tensor:
    """From the magnitudes and the mix; scaled: ``(bins, stems, channels, re/im, frames)``."""
    if softmask:
        gains = [gain / (eps + gain.sum(dim=1, keepdim=True)) for gain in gains]
    bins, stems, frames = gains[0].shape
    estimates = gains[0].new_empty((bins, stems, len(mix), 2, frames))
    for channel, values in enumerate(mix):
        gain = gains[channel % len(gains)]
        carrier = values / scale if softmask else _phases(values, scale=scale)
        for index, part in enumerate((carrier.real, carrier.imag)):
            torch.mul(gain, part.unsqueeze(1), out=estimates[:, :, channel, index])
    return estimates


def _phases(mix: Tensor, *, scale: Tensor) -> Tensor:
    """``mix / |mix| / scale``; a silent value has the phase 0.

    torch's own magnitude and division of complex numbers guard against an overflow that cannot
    happen here, and take five times as long.
    """
    tiny = torch.finfo(scale.dtype).tiny ** 0.5
    loudness = (mix.real * mix.real).addcmul_(mix.imag, mix.imag).sqrt_().add_(tiny).mul_(scale)
    return torch.complex((mix.real + tiny) / loudness, mix.imag / loudness)


def _peak(mix: Tensor, *, dtype: torch.dtype) -> Tensor:
    return (mix.real.square() + mix.imag.square()).amax().to(dtype).sqrt()


def _refined(estimates: Tensor, mix: list[Tensor], *, eps: float) -> Tensor:
    """One iteration of EM; the mix has channels ``(bins, frames)``."""
    powers = _powers(estimates)
    # v is their mean over the channels; the factor cancels between v and R, but for that of ε.
    weights = len(mix) * eps + powers.sum(dim=-1)
    real, imag = (part / weights[..., None, None] for part in _correlations(estimates))
    diagonal, lower = _covariances(real, imag, powers)
    whitened = _solved(lower, diagonal, mix, eps=eps)
    return _filtered(real, imag, whitened, powers)


def _powers(estimates: Tensor) -> Tensor:
    """Their sum over the channels, ``(bins, stems, frames)``."""
    first, *rest = estimates.flatten(2, 3).unbind(dim=2)
    powers = first * first
    for part in rest:
        powers.addcmul_(part, part)
    return powers


def _correlations(estimates: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of Σ_frames ``y_i conj(y_j)``, ``(bins, stems, i, j)``."""
    rows = estimates.flatten(2, 3)
    products = (rows @ rows.mT).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    real = products[:, :, :, 0, :, 0] + products[:, :, :, 1, :, 1]
    imag = products[:, :, :, 1, :, 0] - products[:, :, :, 0, :, 1]
    return real, imag


def _covariances(
    real: Tensor, imag: Tensor, powers: Tensor
) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Σ ``v R`` over the stems: its diagonal and what stands below, entries ``(bins, frames)``."""
    channels = range(real.shape[-1])
    below = [(i, j) for i in channels for j in range(i)]
    spatial = [real[..., i, i] for i in channels]
    spatial += [part[..., i, j] for i, j in below for part in (real, imag)]
    entries = iter((torch.stack(spatial, dim=1) @ powers).unbind(dim=1))
    diagonal = [next(entries) for _ in channels]
    lower = [[torch.complex(next(entries), next(entries)) for _ in range(i)] for i in channels]
    return diagonal, lower


def _solved(
    lower: list[list[Tensor]], diagonal: list[Tensor], mix: list[Tensor], *, eps: float
) -> list[Tensor]:
    """Solve ``(C + √ε I) z = mix`` by elimination, for all bins and frames at once.

    C is Hermitian and positive semidefinite. All its entries are ``(bins, frames)``.
    """
    floor: float = eps**0.5
    # norbert adds ε once more where the inverse is a plain division.
    ridge = floor + eps if len(mix) == 1 else floor
    factors: list[list[Tensor]] = []
    pivots: list[Tensor] = []
    right: list[Tensor] = []
    for i, row in enumerate(lower):
        pivot, solution = diagonal[i] + ridge, mix[i]
        scaled: list[Tensor] = []
        for j, entry in enumerate(row):
            for k in range(j):
                entry = entry - scaled[k] * pivots[k] * factors[j][k].conj()
            factor = _divided(entry, pivots[j])
            pivot = pivot - (factor * entry.conj()).real
            solution = solution - factor * right[j]
            scaled.append(factor)
        factors.append(scaled)
        pivots.append(pivot.clamp(min=floor))
        right.append(solution)
    return _back_substituted(factors, pivots, right)


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


def _filtered(real: Tensor, imag: Tensor, whitened: list[Tensor], powers: Tensor) -> Tensor:
    """``v R z`` for each stem."""
    # A complex product as a real one: [re, im] ← [[re, −im], [im, re]] [re, im].
    blocks = torch.stack(
        [torch.stack([real, -imag], dim=-1), torch.stack([imag, real], dim=-1)], dim=3
    )
    parts = torch.stack([part for z in whitened for part in (z.real, z.imag)], dim=1)
    stems, channels = real.shape[1:3]
    filtered = (blocks.flatten(4, 5).flatten(1, 3) @ parts).unflatten(1, (stems, channels, 2))
    return torch.mul(filtered, powers[:, :, None, None], out=filtered)


def _write(estimates: Tensor, stems: Tensor) -> None:
    """Copy estimates into complex ``(stems, channels, bins, frames)``."""
    parts = torch.view_as_real(stems)
    for channel in range(stems.shape[1]):
        # One part at a time: torch copies a whole transposition twice as slowly.
        for index in range(2):
            parts[:, channel, ..., index] = estimates[:, :, channel, index].movedim(1, 0)


def _tiles(stems: Tensor) -> list[slice]:
    """Cut the bins so that a channel of a tile has a bounded number of values in all stems."""
    count, _, bins, frames = stems.shape
    budget = _TILE_VALUES_CPU if stems.device.type == "cpu" else _TILE_VALUES_GPU
    step = max(1, budget // (count * frames))
    return [slice(start, start + step) for start in range(0, bins, step)]


def _workers(device: torch.device) -> int:
    return min(torch.get_num_threads(), _MOST_WORKERS) if device.type == "cpu" else 1


def _for_each(tiles: list[slice], fill: Callable[[slice], None], *, workers: int) -> None:
    if workers == 1 or len(tiles) == 1:
        for tile in tiles:
            fill(tile)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(fill, tiles):
            pass


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
