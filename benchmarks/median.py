"""Median filters of spectrograms against SciPy's, in one run: a Markdown table of seconds.

    python -m benchmarks.median --seconds 60 --repeats 3

Two medians of 31, over frames and over bins, are what `librosa.decompose.hpss` takes: it calls
SciPy, on one thread. A rectangle is the largest one of `kam`. Both get the same magnitudes of a
mono song at 44.1 kHz; SciPy gets only a part of them for the rectangle, and its time is scaled up.
Of each the fastest repeat counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import median_filter as of_scipy
from torch import Tensor

from benchmarks.report import machine, markdown, parser, publish
from benchmarks.songs import RATE, demo_song
from unmixcli.dsp.median import median_filter
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.hpss.kam import SETTINGS
from unmixcli.hpss.median import LIBROSA


@dataclass(frozen=True)
class Case:
    """Medians of one spectrogram, each of so many bins and frames."""

    name: str
    transform: STFTConfig
    sizes: tuple[tuple[int, int], ...]
    # SciPy does every so manieth second.
    share: int = 1


CASES = (
    Case("two medians of 31 (median)", LIBROSA, ((1, 31), (31, 1))),
    Case("rectangle of 47 × 11 (kam)", SETTINGS[1], ((47, 11),), share=20),
)


def magnitudes(seconds: float, *, transform: STFTConfig) -> Tensor:
    """Of the demo song again and again, `(1, bins, frames)`."""
    song = torch.from_numpy(demo_song()).mean(dim=1)
    samples = round(seconds * RATE)
    repeated = song.repeat(-(-samples // len(song)))[:samples]
    return stft(repeated.unsqueeze(0), config=transform).abs()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time and processor time in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def row(case: Case, *, seconds: float, repeats: int) -> list[str]:
    """Run both in turn; a line of the table."""
    values = magnitudes(seconds, transform=case.transform)
    part = values[0, :, : values.shape[-1] // case.share].numpy()

    def ours() -> list[Tensor]:
        return [median_filter(values, bins=bins, frames=frames) for bins, frames in case.sizes]

    def theirs() -> list[np.ndarray]:
        return [of_scipy(part, size=size, mode="reflect") for size in case.sizes]

    ours()
    runs = [(timed(theirs), timed(ours)) for _ in range(repeats)]
    scipy_s, ours_s = (
        [min(run[which][clock] for run in runs) for clock in range(2)] for which in range(2)
    )
    scipy_s = [value * case.share for value in scipy_s]
    ratios = [theirs / mine for theirs, mine in zip(scipy_s, ours_s, strict=True)]
    return [
        case.name,
        *(f"{value:.2f} s" for value in (scipy_s[0], ours_s[0])),
        f"{ratios[0]:.0f}",
        f"{ratios[1]:.0f}",
    ]


def main(arguments: list[str] | None = None) -> None:
    known = parser(__doc__)
    known.add_argument("--seconds", type=float, default=60.0, help="length of the song")
    known.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    options = known.parse_args(arguments)
    headings = ["", "SciPy", "ours", "ratio", "ratio of processor time"]
    rows = [row(case, seconds=options.seconds, repeats=options.repeats) for case in CASES]
    text = f"{options.seconds:g} s of mono music. {machine()}\n\n{markdown(headings, rows)}"
    publish("median", text, write=options.write)


if __name__ == "__main__":
    main()
