"""The Wiener filter against norbert's, in one run: a Markdown table of seconds and differences.

    python -m benchmarks.wiener --seconds 30 --repeats 3

Both filter the same four stereo stems of 44.1 kHz in 4096/1024 frames, once the song as one window
and once in windows of 300 frames as Open-Unmix does. Each gets them as they are in use: norbert in
double and in the layout of its documentation, ours in single precision as networks and torch.stft
leave them. Of each the fastest repeat counts.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import norbert
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.report import parser, publish
from unmixcli.dsp.wiener import wiener

SAMPLE_RATE = 44100
N_FFT, HOP_SAMPLES = 4096, 1024
STEMS, CHANNELS = 4, 2

Song = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    norbert_s: float
    ours_s: float
    difference: float


def noise_song(seconds: float) -> Song:
    """Magnitudes of four stems, each a panned noise with some error, and the STFT of their mix."""
    rng = torch.Generator().manual_seed(0)
    samples = int(seconds * SAMPLE_RATE)
    sources = torch.randn(STEMS, 1, samples, generator=rng) * 0.1
    pans = torch.rand(STEMS, CHANNELS, 1, generator=rng)
    window = torch.hann_window(N_FFT)
    spectra = torch.stft(
        (sources * pans).flatten(0, 1), N_FFT, HOP_SAMPLES, window=window, return_complex=True
    ).unflatten(0, (STEMS, CHANNELS))
    error = 0.5 + torch.rand(spectra.shape, generator=rng)
    return (spectra.abs() * error).contiguous(), spectra.sum(dim=0)


def for_norbert(magnitudes: Tensor, mix: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
    """Double arrays as its documentation shapes them: (frames, bins, channels, stems)."""
    return (
        np.ascontiguousarray(magnitudes.permute(3, 2, 1, 0).double().numpy()),
        np.ascontiguousarray(mix.permute(2, 1, 0).to(torch.complex128).numpy()),
    )


def timed(method: Callable[..., Any], windows: list[Any]) -> tuple[float, list[Any]]:
    """Filter each window by itself."""
    start = time.perf_counter()
    stems = [method(*window) for window in windows]
    return time.perf_counter() - start, stems


def compared(song: Song, *, iterations: int, window_frames: int, repeats: int) -> Row:
    """Run both in turn."""
    windows = list(zip(*(part.split(window_frames, dim=-1) for part in song), strict=True))
    theirs_of = functools.partial(norbert.wiener, iterations=iterations, use_softmask=False)
    ours_of = functools.partial(wiener, iterations=iterations)
    norbert_s, ours_s = [], []
    for _ in range(repeats):
        # Anew each time: norbert rescales its input.
        seconds, expected = timed(theirs_of, [for_norbert(*window) for window in windows])
        norbert_s.append(seconds)
        seconds, actual = timed(ours_of, windows)
        ours_s.append(seconds)
    name = f"{len(windows)} × {windows[0][1].shape[-1]} frames, {iterations} EM"
    return Row(name, min(norbert_s), min(ours_s), difference(actual, expected))


def difference(actual: list[Tensor], expected: list[NDArray[Any]]) -> float:
    """The largest one over the largest value."""
    peak = max(np.abs(stems).max() for stems in expected)
    pairs = zip(actual, expected, strict=True)
    largest = max(np.abs(ours.permute(3, 2, 1, 0).numpy() - theirs).max() for ours, theirs in pairs)
    return float(largest / peak)


def table(rows: list[Row], *, seconds: float) -> str:
    """Markdown."""
    lines = [
        f"{STEMS} stereo stems, {seconds:g} s at {SAMPLE_RATE} Hz, {N_FFT}/{HOP_SAMPLES} frames, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}.",
        "",
        "| windows | norbert (double) | ours | ratio | largest relative difference |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name} | {row.norbert_s:.2f} s | {row.ours_s:.2f} s "
        f"| {row.norbert_s / row.ours_s:.1f} | {row.difference:.1e} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    known = parser(__doc__)
    known.add_argument("--seconds", type=float, default=30.0, help="length of the song")
    known.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    options = known.parse_args(arguments)
    song = noise_song(options.seconds)
    frames = song[1].shape[-1]
    rows = [
        compared(song, iterations=iterations, window_frames=window, repeats=options.repeats)
        for window in (frames, 300)
        for iterations in (1, 2)
    ]
    text = table(rows, seconds=options.seconds)
    publish("wiener", text, write=options.write)


if __name__ == "__main__":
    main()
