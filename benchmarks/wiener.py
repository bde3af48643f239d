"""The Wiener filter against norbert's, in one run: a Markdown table of seconds and differences.

    python benchmarks/wiener.py --seconds 30 --repeats 3 --out TABLE.md

Both filter the same four stereo stems of 44.1 kHz in 4096/1024 frames: norbert in double on a copy,
as its documentation advises, ours in single precision as it comes from the networks; once the song
as one window, once in windows of 300 frames as Open-Unmix does. Of each the fastest repeat counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import norbert
import torch
from torch import Tensor

from unmixcli.dsp.wiener import wiener

SAMPLE_RATE = 44100
N_FFT, HOP_SAMPLES = 4096, 1024
STEMS, CHANNELS = 4, 2

Song = tuple[Tensor, Tensor]
Method = Callable[[Tensor, Tensor, int], Tensor]


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
    return spectra.abs() * error, spectra.sum(dim=0)


def by_norbert(magnitudes: Tensor, mix: Tensor, iterations: int) -> Tensor:
    """Run norbert on double copies, since it rescales its input, and give our axis order."""
    spectra = magnitudes.permute(3, 2, 1, 0).double().numpy()
    mixture = mix.permute(2, 1, 0).to(torch.complex128).numpy().copy()
    estimates = norbert.wiener(spectra, mixture, iterations, use_softmask=False)
    return torch.from_numpy(estimates).permute(3, 2, 1, 0)


def by_us(magnitudes: Tensor, mix: Tensor, iterations: int) -> Tensor:
    return wiener(magnitudes, mix, iterations=iterations)


def timed(method: Method, windows: list[Song], iterations: int) -> tuple[float, list[Tensor]]:
    """Filter each window by itself."""
    start = time.perf_counter()
    stems = [method(*window, iterations) for window in windows]
    return time.perf_counter() - start, stems


def compared(song: Song, *, iterations: int, window_frames: int, repeats: int) -> Row:
    """Run both in turn; the difference is the largest one over the largest value."""
    windows = list(zip(*(part.split(window_frames, dim=-1) for part in song), strict=True))
    norbert_s, ours_s = [], []
    for _ in range(repeats):
        seconds, expected = timed(by_norbert, windows, iterations)
        norbert_s.append(seconds)
        seconds, actual = timed(by_us, windows, iterations)
        ours_s.append(seconds)
    pairs = list(zip(actual, expected, strict=True))
    difference = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
    peak = max(float(theirs.abs().max()) for theirs in expected)
    name = f"{len(windows)} × {windows[0][1].shape[-1]} frames, {iterations} EM"
    return Row(name, min(norbert_s), min(ours_s), difference / peak)


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the song")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    options = parser.parse_args(arguments)
    song = noise_song(options.seconds)
    frames = song[1].shape[-1]
    rows = [
        compared(song, iterations=iterations, window_frames=window, repeats=options.repeats)
        for window in (frames, 300)
        for iterations in (1, 2)
    ]
    text = table(rows, seconds=options.seconds)
    print(text, end="")
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
