"""Median filters of spectrograms against SciPy's and librosa's, in one run: a Markdown table.

    python -m benchmarks.median --seconds 60 --repeats 3

`librosa.decompose.hpss` takes two medians of 31, over frames and over bins, by SciPy on one thread,
and makes masks of them. A rectangle is the largest one of `kam`. Both sides get the same magnitudes
of a mono song at 44.1 kHz; SciPy gets only a part of them for the rectangle, and its time is scaled
up. Of each the fastest repeat counts. Seconds are those of the processor, which count whatever else
runs beside; the wall clock has the threads' share in it, where the cores are free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import librosa
import numpy as np
import torch
from scipy.ndimage import median_filter as of_scipy
from torch import Tensor

from benchmarks.report import machine, markdown, parser, publish
from benchmarks.songs import RATE, demo_song
from unmixcli.dsp.median import median_filter
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.hpss.kam import SETTINGS
from unmixcli.hpss.median import LIBROSA, MedianMethod

Sizes = Sequence[tuple[int, int]]
"""Bins and frames of medians."""


@dataclass(frozen=True)
class Case:
    """The same of one spectrogram by both sides.

    Attributes:
        name: of the row.
        transform: of the spectrogram.
        ours: is given magnitudes `(1, bins, frames)`.
        theirs: is given magnitudes `(bins, frames)`.
        share: they do every so manieth second.
    """

    name: str
    transform: STFTConfig
    ours: Callable[[Tensor], object]
    theirs: Callable[[np.ndarray], object]
    share: int = 1


def medians(values: Tensor, *, sizes: Sizes) -> list[Tensor]:
    """Ours."""
    return [median_filter(values, bins=bins, frames=frames) for bins, frames in sizes]


def scipy_medians(values: np.ndarray, *, sizes: Sizes) -> list[np.ndarray]:
    """The same by SciPy."""
    return [of_scipy(values, size=size, mode="reflect") for size in sizes]


def stems(values: Tensor) -> Tensor:
    """Harmonic and percussive magnitudes, as `librosa.decompose.hpss` gives them."""
    return MedianMethod(LIBROSA).masks(values.unsqueeze(0))[0] * values


def case(name: str, transform: STFTConfig, sizes: Sizes, *, share: int = 1) -> Case:
    """Medians of these sizes by SciPy and by us."""
    ours, theirs = partial(medians, sizes=sizes), partial(scipy_medians, sizes=sizes)
    return Case(name, transform, ours, theirs, share)


CASES = (
    Case("librosa.decompose.hpss (median)", LIBROSA, stems, librosa.decompose.hpss),
    case("SciPy, its two medians of 31", LIBROSA, ((1, 31), (31, 1))),
    case("SciPy, rectangle of 47 × 11 (kam)", SETTINGS[1], ((47, 11),), share=20),
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
    theirs, ours = partial(case.theirs, part), partial(case.ours, values)
    ours()
    runs = [(timed(theirs), timed(ours)) for _ in range(repeats)]
    theirs_s, ours_s = (
        [min(run[which][clock] for run in runs) for clock in range(2)] for which in range(2)
    )
    theirs_s = [value * case.share for value in theirs_s]
    ratios = [peer / mine for peer, mine in zip(theirs_s, ours_s, strict=True)]
    return [
        case.name,
        *(f"{value:.2f} s" for value in (theirs_s[1], ours_s[1])),
        f"{ratios[1]:.0f}",
        f"{ratios[0]:.0f}",
    ]


def main(arguments: list[str] | None = None) -> None:
    known = parser(__doc__)
    known.add_argument("--seconds", type=float, default=60.0, help="length of the song")
    known.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    options = known.parse_args(arguments)
    headings = ["", "theirs", "ours", "ratio", "ratio of wall time"]
    rows = [row(case, seconds=options.seconds, repeats=options.repeats) for case in CASES]
    text = f"{options.seconds:g} s of mono music. {machine()}\n\n{markdown(headings, rows)}"
    publish("median", text, write=options.write)


if __name__ == "__main__":
    main()
