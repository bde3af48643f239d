"""Phase unwrapping against a plain NumPy loop, in one run: a Markdown table of seconds.

    python -m benchmarks.phase --seconds 10 --repeats 3

Both recover the phases of two stems in stereo at 44.1 kHz by 50 iterations, in the settings of the
paper. NumPy's loop goes over frames and iterations, each step for all bins and channels at once, in
double precision as ours, and runs once; of ours the fastest repeat counts. Processor time is that
of all threads, which other programs on the machine hardly lengthen. Compiling is not part of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.report import machine, markdown, parser, publish
from unmixcli.dsp.phase import PhaseUnwrapping, recover_phases
from unmixcli.dsp.stft import STFTConfig, stft

SAMPLE_RATE = 44100
SETTINGS = {
    "setting 1: 2049 of 4096, hop 384": STFTConfig(
        n_fft=4096, hop_samples=384, window_samples=2049, window="hamming"
    ),
    "setting 2: 4096, hop 1024": STFTConfig(n_fft=4096, hop_samples=1024, window="hamming"),
}

Array = NDArray[Any]


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processors."""

    wall_s: float
    cpu_s: float


def song(seconds: float, *, config: STFTConfig) -> tuple[Tensor, Tensor]:
    """Magnitudes with some error and the mix of a chord and clicks under noise, in stereo."""
    rng = torch.Generator().manual_seed(0)
    samples = int(seconds * SAMPLE_RATE)
    time_s = torch.arange(samples, dtype=torch.float64) / SAMPLE_RATE
    pitches_hz = torch.tensor([[220.0], [277.2], [329.6]], dtype=torch.float64)
    partials = torch.cat([pitches_hz * k for k in range(1, 13)])
    chord = torch.sin(2 * torch.pi * partials * time_s).sum(dim=0).float() * 0.02
    clicks = torch.zeros(samples)
    clicks[:: SAMPLE_RATE // 4] = 1
    noise = torch.randn(2, 2, samples, generator=rng) * 0.01
    spectra = stft(torch.stack((chord, clicks)).unsqueeze(1) + noise, config=config)
    error = 0.5 + torch.rand(spectra.shape, generator=rng)
    return spectra.abs() * error, spectra.sum(dim=0)


def frequencies_of(values: Array) -> Array:
    """Of one frame of one channel, in bins."""
    values = np.maximum(values, 1e-6)
    inner = values[1:-1]
    peaks = 1 + np.flatnonzero(
        (inner > values[:-2]) & (inner > values[2:]) & (inner > 0.01 * values.max())
    )
    if not len(peaks):
        return np.arange(len(values), dtype=float)
    low, top, high = (np.log10(values[peaks + k]) for k in (-1, 0, 1))
    tops = peaks + 0.5 * (low - high) / (low - 2 * top + high)
    a, b = values[peaks[:-1]], values[peaks[1:]]
    borders = (b * (peaks[:-1] + 1) + a * (peaks[1:] + 1)) / (a + b)
    edges = np.concatenate(([0], np.floor(borders).astype(int), [len(values)]))
    return np.repeat(tops, np.diff(edges))


def plain(magnitudes: Array, mix: Array, *, config: PhaseUnwrapping) -> Array:
    """Algorithm 1 as printed; shapes as in `recover_phases`, double."""
    spectra = magnitudes * np.exp(1j * np.angle(mix))
    gains = magnitudes**2 / (magnitudes**2).sum(axis=0)
    hop_share = config.hop_samples / config.n_fft
    for t in range(1, mix.shape[-1]):
        v, g, x = magnitudes[..., t], gains[..., t], mix[..., t]
        turns = np.stack([frequencies_of(channel) for channel in v[0]]) * hop_share
        angle = np.angle(spectra[0, ..., t - 1]) + 2 * np.pi * turns
        s = np.stack((v[0] * np.exp(1j * angle), spectra[1, ..., t]))
        for _ in range(config.iterations):
            y = s + g * (x - s.sum(axis=0))
            s = v * y / np.abs(y)
        spectra[..., t] = s
    return spectra


def timed(method: Callable[[], Any], *, repeats: int) -> tuple[Cost, Any]:
    costs = []
    for _ in range(repeats):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        result = method()
        costs.append(Cost(time.perf_counter() - wall_s, time.process_time() - cpu_s))
    return Cost(min(c.wall_s for c in costs), min(c.cpu_s for c in costs)), result


def compared(name: str, *, seconds: float, repeats: int) -> list[list[str]]:
    settings = SETTINGS[name]
    config = PhaseUnwrapping(n_fft=settings.n_fft, hop_samples=settings.hop_samples)
    magnitudes, mix = song(seconds, config=settings)
    recover_phases(magnitudes[..., :200], mix[..., :200], config=config)
    double = magnitudes.double().numpy(), mix.to(torch.complex128).numpy()
    theirs, expected = timed(lambda: plain(*double, config=config), repeats=1)
    ours, found = timed(lambda: recover_phases(magnitudes, mix, config=config), repeats=repeats)
    difference = np.abs(found.numpy() - expected).max() / np.abs(expected).max()
    ratios = [f"{theirs.wall_s / ours.wall_s:.0f}", f"{theirs.cpu_s / ours.cpu_s:.0f}"]
    return [
        [f"{name}, NumPy", *cells(theirs, seconds), ""],
        [f"{name}, unmix", *cells(ours, seconds), f"{difference:.0e}"],
        ["ratio", *ratios, "", ""],
    ]


def cells(cost: Cost, seconds: float) -> list[str]:
    return [f"{cost.wall_s:.2f} s", f"{cost.cpu_s:.2f} s", f"{seconds / cost.wall_s:.1f}x"]


def main(arguments: list[str] | None = None) -> None:
    known = parser(__doc__)
    known.add_argument("--seconds", type=float, default=10.0, help="length of the song")
    known.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    options = known.parse_args(arguments)
    rows = [
        row
        for name in SETTINGS
        for row in compared(name, seconds=options.seconds, repeats=options.repeats)
    ]
    headings = ["", "wall time", "processor time", "real time", "largest relative difference"]
    text = f"{options.seconds:g} s of stereo music, two stems. {machine()}\n\n"
    publish("phase", text + markdown(headings, rows), write=options.write)


if __name__ == "__main__":
    main()
