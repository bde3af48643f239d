"""Scores of harmonic/percussive methods on a data set, each kept as JSON as soon as it is there.

As Drossos et al. (2018) measure: mono at 44.1 kHz, drums are percussive and everything else is
harmonic, BSS Eval v3 in windows of 30 s every 15 s. The masks of a method are computed once for all
phases. A stem is what its masks and phase give, as in the paper and with `--residual`; without it
`unmix hpss` makes one stem of what the other leaves of the mix.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmixcli.data.tracks import Track, load_stems, read_dataset, references
from unmixcli.dsp.masks import ratio_mask
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.evaluation.hashes import FileHashes, digest, track_hash
from unmixcli.evaluation.measure import WINDOW_HOP_S, WINDOW_S
from unmixcli.finished import write_text
from unmixcli.hpss.method import PAIR, FrameMethod, exact_chunks
from unmixcli.hpss.separator import HPSSSeparator
from unmixcli.hpss.session import HPSSOptions, open_hpss, select_method
from unmixcli.metrics import BssOptions, bss_eval
from unmixcli.separation.phase import PHASES, Phase

RATE = 44100
MEASURES = ("SDR", "SIR", "SAR")

Estimates = Mapping[str, Tensor]
"""By phase, harmonic and percussive `(2, 1, samples)`."""

_BLOCK_S = 10
# As `unmix eval`: scores of stems with empty bands do not hang on rounding.
_OPTIONS = BssOptions(ridge=1e-10)


@dataclass(frozen=True)
class Song:
    """A track that has drums as a stem by itself; read when it is first looked at.

    Attributes:
        track: of the data set.
        parts: the track's stems whose sum is harmonic, and those of percussive.
        of: hash of its audio.
    """

    track: Track
    parts: tuple[tuple[str, ...], tuple[str, ...]]
    of: str

    @cached_property
    def stems(self) -> Tensor:
        """Harmonic and percussive, `(2, 1, samples)`."""
        loaded, _ = load_stems(self.track, sample_rate=RATE)
        sums = [sum(loaded[name].mean(axis=0) for name in names) for names in self.parts]
        return torch.from_numpy(np.stack(sums).astype(np.float32)).unsqueeze(1)

    @property
    def mix(self) -> Tensor:
        """Their sum, `(1, samples)`."""
        return self.stems.sum(dim=0)


@dataclass(frozen=True)
class Case:
    """A method in one transform.

    Attributes:
        method: its name.
        setting: "1", "2" or "own".
        estimate: what it makes of a song.
        phases: those that it gives.
        of: what it depends on beside the song, such as weights.
    """

    method: str
    setting: str
    estimate: Callable[[Song], Estimates]
    phases: tuple[str, ...] = PHASES
    of: str = ""


class Scores:
    """The scores of a folder, one file for each method, setting, phase and track."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, case: Case, phase: str, song: Song) -> dict[str, Any] | None:
        """What is there and up to date."""
        path = self._path(case, phase, song)
        if not path.is_file():
            return None
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content if content["of"] == _of(case, song) else None

    def write(self, case: Case, phase: str, song: Song, scores: Mapping[str, Any]) -> None:
        """Keep scores."""
        content = {"of": _of(case, song), **scores}
        write_text(self._path(case, phase, song), json.dumps(content, indent=1) + "\n")

    def _path(self, case: Case, phase: str, song: Song) -> Path:
        folder = self._folder / Path(case.method).name / case.setting / phase
        return folder / f"{song.track.name}.json"


def find_songs(folder: Path) -> list[Song]:
    """The tracks that can be scored, of the split `test` where there is one."""
    manifest = read_dataset(folder)
    manifest = manifest.select("test" if "test" in manifest.splits else None)
    hashes, songs = FileHashes(), []
    for track in manifest.tracks:
        parts = {target.name: target.reference for target in references(track, PAIR)}
        if set(PAIR) <= set(parts):
            both = (parts[PAIR[0]], parts[PAIR[1]])
            songs.append(Song(track, both, track_hash(track, hashes)))
    return songs


def measure(cases: Sequence[Case], songs: Sequence[Song], scores: Scores) -> None:
    """Score what has no scores yet."""
    for case in cases:
        for song in songs:
            missing = [p for p in case.phases if scores.read(case, p, song) is None]
            if not missing:
                continue
            print(f"{case.method}, setting {case.setting}: {song.track.name}", file=sys.stderr)
            estimates = case.estimate(song)
            for phase in missing:
                scores.write(case, phase, song, scored(song, estimates[phase]))


def scored(song: Song, estimates: Tensor) -> dict[str, Any]:
    """SDR, SIR and SAR of both stems in the windows in which neither is silent."""
    if not (_sounds(song.stems) and _sounds(estimates)):
        nothing: dict[str, list[float]] = {name: [] for name in MEASURES}
        return {"start_s": [], **dict.fromkeys(PAIR, nothing)}
    found = bss_eval(
        song.stems,
        estimates,
        sample_rate=RATE,
        window_s=WINDOW_S,
        hop_s=WINDOW_HOP_S,
        version="v3",
        options=_OPTIONS,
    )
    heard = ~np.isnan(found.sdr).any(axis=0)
    tables = dict(zip(MEASURES, (found.sdr, found.sir, found.sar), strict=True))
    return {
        "start_s": found.start_s[heard].tolist(),
        **{
            stem: {name: table[row][heard].tolist() for name, table in tables.items()}
            for row, stem in enumerate(PAIR)
        },
    }


def _sounds(stems: Tensor) -> bool:
    return bool((stems != 0).any(dim=-1).all())


def of_method(method: FrameMethod) -> Callable[[Song], Estimates]:
    """Stems by the masks of a method, which are computed once."""

    def estimate(song: Song) -> Estimates:
        shared = _SharedMasks(method)
        return _in_step(dict.fromkeys(PHASES, shared), song.mix)

    return estimate


def of_truth(config: STFTConfig) -> Callable[[Song], Estimates]:
    """Stems by their true shares of the magnitudes, the ideal ratio mask."""

    def estimate(song: Song) -> Estimates:
        spectra = stft(song.stems, config=config)
        return _in_step({phase: _TrueMasks(spectra, config) for phase in PHASES}, song.mix)

    return estimate


def of_session(name: str, *, residual_share: float = 0.0) -> Callable[[Song], Estimates]:
    """Stems as `unmix hpss --residual` gives them, each with this share of the residual."""

    def estimate(song: Song) -> Estimates:
        return {phase: _session_stems(name, phase, song, residual_share) for phase in PHASES}

    return estimate


def do_nothing(song: Song) -> Estimates:
    """The mix as both stems."""
    return {"mixture": song.mix.expand(len(PAIR), -1, -1)}


class _SharedMasks:
    """A method that several separators ask in turn for the masks of the same frames."""

    def __init__(self, method: FrameMethod) -> None:
        self.stft, self.chunks = method.stft, method.chunks
        self._method = method
        self._known: deque[tuple[Tensor, Tensor]] = deque(maxlen=8)

    def masks(self, mix: Tensor) -> Tensor:
        for frames, masks in self._known:
            if torch.equal(frames, mix):
                return masks
        self._known.append((mix, self._method.masks(mix)))
        return self._known[-1][1]


class _TrueMasks:
    """A method that is asked for the masks of all frames in turn, and knows them."""

    chunks = exact_chunks(0)

    def __init__(self, spectra: Tensor, config: STFTConfig) -> None:
        self.stft = config
        self._spectra = spectra
        self._at = 0

    def masks(self, mix: Tensor) -> Tensor:
        stop = self._at + mix.shape[-1]
        masks = ratio_mask(self._spectra[..., self._at : stop].abs(), exponent=1)
        self._at = stop
        return masks.unsqueeze(0)


def _in_step(methods: Mapping[Phase, FrameMethod], mix: Tensor) -> dict[str, Tensor]:
    """Stems by phase; every separator gets a block before any gets the next."""
    separators = {
        phase: HPSSSeparator(method, stems=PAIR, sample_rate=RATE, phase=phase)
        for phase, method in methods.items()
    }
    stems: dict[str, list[Tensor]] = {phase: [] for phase in methods}
    for block in mix.split(_BLOCK_S * RATE, dim=-1):
        for phase, separator in separators.items():
            stems[phase].append(separator.push(block))
    for phase, separator in separators.items():
        stems[phase].append(separator.finish())
    return {phase: torch.cat(parts, dim=-1) for phase, parts in stems.items()}


def _session_stems(name: str, phase: Phase, song: Song, residual_share: float) -> Tensor:
    options = HPSSOptions(phase=phase, residual=True)
    choice, plan = select_method(name, options=options)
    session = open_hpss(choice, plan, options=options, device="cpu")
    engine = session.engine(sample_rate=RATE, channels=1)
    stems = torch.cat(list(engine.stream([song.mix])), dim=-1)
    rows = dict(zip(engine.stems, stems, strict=True))
    return torch.stack([rows[stem] + residual_share * rows["residual"] for stem in PAIR])


def _of(case: Case, song: Song) -> str:
    return digest([case.of, song.of])
