"""The library under the command: arrays, files and streams.

>>> import unmixcli  # doctest: +SKIP
>>> stems = unmixcli.separate(song, 44100, stems=["vocals"])  # doctest: +SKIP
>>> stems["vocals"].shape == song.shape  # doctest: +SKIP
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from unmixcli.audio.formats import output_format
from unmixcli.batch.events import Event, Listener, StemWritten
from unmixcli.batch.inputs import InputTrack
from unmixcli.batch.plan import DEFAULT_TEMPLATE, plan_tracks
from unmixcli.batch.runner import RunSettings, run_batch
from unmixcli.errors import InputError, UsageError
from unmixcli.pitch.f0 import F0, Voices
from unmixcli.pitch.session import PitchOptions, PitchSession, open_pitch, select_pitch
from unmixcli.separation.engine import Engine
from unmixcli.separation.session import Session, open_session, select_model
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request


def load_model(
    model: str | Path | None = None,
    *,
    stems: Sequence[str] = (),
    device: str = "auto",
    options: SpectralOptions | None = None,
) -> Session:
    """Make a model ready; reuse what this returns for many tracks.

    Args:
        model: a name or a folder; None takes the best installed one that has the stems.
        stems: what shall come out, sums like "karaoke" included; none means every stem.
        device: "auto", "cpu", "cuda" or "mps"; used or refused.
        options: batch, overlap, Wiener iterations, phase, half precision.

    Raises:
        UsageError: for an unknown model, stem or device, or options out of range.
        ModelError: for weights that are missing or not what the card says.
        ResourceError: for a device that is not there.
    """
    name = None if model is None else str(model)
    asked = (stems,) if isinstance(stems, str) else tuple(stems)
    choice, plan = select_model(name, Request(stems=asked))
    return open_session(choice, plan, device=device, options=options or SpectralOptions())


def separate(
    audio: np.ndarray,
    sample_rate: int,
    *,
    model: str | Path | Session | None = None,
    stems: Sequence[str] = (),
    device: str = "auto",
    options: SpectralOptions | None = None,
) -> dict[str, np.ndarray]:
    """Separate a song that is in memory.

    Args:
        audio: `(channels, samples)` or `(samples,)`, float, 1 or 2 channels; not changed.
        sample_rate: Hz.
        model: a name, a folder, or what `load_model` returned (the arguments that follow are
            then settled); None takes the best installed model.
        stems: as in `load_model`.
        device: as in `load_model`.
        options: as in `load_model`.

    Returns:
        Stems by name, float32 in the shape of `audio`; a complete set sums to it.

    Raises:
        InputError: for another shape, no samples, NaN or infinity, a rate below 1.
        UnmixError: as in `load_model`.
    """
    mix, sample_rate = _checked(audio, sample_rate)
    session = _session(model, stems=stems, device=device, options=options)
    engine = session.engine(sample_rate=sample_rate, channels=mix.shape[0])
    whole = torch.cat(list(engine.stream([torch.from_numpy(mix)])), dim=-1)
    return {
        name: whole[row].numpy().reshape(np.shape(audio)) for row, name in enumerate(engine.stems)
    }


def open_stream(
    sample_rate: int,
    channels: int,
    *,
    model: str | Path | Session | None = None,
    stems: Sequence[str] = (),
    device: str = "auto",
    options: SpectralOptions | None = None,
) -> Engine:
    """A separator for a song that comes in blocks.

    Push float32 tensors `(channels, samples)` of any length; `push` and `finish` return what is
    ready, `(stems, channels, samples)`. The concatenation is what `separate` gives for the whole,
    to the bit, and memory does not grow.

    Raises:
        InputError: for a rate that is not whole or below 1, or channels other than 1 or 2.
        UnmixError: as in `load_model`.
    """
    if not sample_rate >= 1 or sample_rate % 1 or channels not in (1, 2):
        raise InputError(
            f"{sample_rate} Hz, {channels} channels: must be whole and 1 Hz or more, 1 or 2"
        )
    session = _session(model, stems=stems, device=device, options=options)
    return session.engine(sample_rate=int(sample_rate), channels=channels)


def separate_file(
    path: str | Path,
    folder: str | Path,
    *,
    model: str | Path | Session | None = None,
    stems: Sequence[str] = (),
    format: str = "wav",
    overwrite: bool = False,
    listener: Listener | None = None,
) -> dict[str, Path]:
    """Separate one file into `folder/TRACK/STEM.FORMAT`, in constant memory.

    Returns:
        The files written, by stem.

    Raises:
        InputError: for audio that cannot be read, is cut off (what could be read is written), or
            results that are there already without `overwrite`.
        UnmixError: as in `load_model`.
    """
    session = _session(model, stems=stems, device="auto", options=None)
    written = output_format(format)
    plans = plan_tracks(
        [InputTrack(Path(path))],
        outputs=dict.fromkeys(session.plan.outputs, written.extension),
        folder=Path(folder),
        template=DEFAULT_TEMPLATE,
        model=session.model.name,
    )
    existing = "overwrite" if overwrite else "refuse"
    collector = _Collector(listener)
    summary = run_batch(plans, RunSettings(session, written, existing=existing), listener=collector)
    for reason in summary.failures.values():
        raise InputError(reason)
    return collector.paths


def find_pitch(
    audio: np.ndarray,
    sample_rate: int,
    *,
    model: str | Path | None = None,
    separator: str | Path | None = None,
    options: PitchOptions | None = None,
    device: str = "auto",
) -> F0:
    """Find the pitch of the voice in a song that is in memory.

    Args:
        audio: as in `separate`.
        sample_rate: Hz.
        model: a model's name or folder, or a tracker, "pyin" or "swiftf0"; None as in
            `unmix pitch`.
        separator: the model that separates the stem of the options first.
        options: threshold, step, range, Viterbi, stem; not `polyphonic`.
        device: as in `load_model`.

    Returns:
        Times in s, f0 in Hz with 0 where unvoiced, confidence in 0..1: `(steps,)` each, where
        there are `1 + floor(samples / (sample_rate * step))` steps.

    Raises:
        InputError: as in `separate`.
        UsageError: for `polyphonic`.
        ResourceError: for a tracker whose package is missing.
        UnmixError: as in `load_model`.
    """
    wanted = options or PitchOptions()
    if wanted.polyphonic:
        raise UsageError("polyphonic: find_pitch gives one voice; call find_voices")
    song, sample_rate = _checked(audio, sample_rate)
    session = _pitch_session(model, separator, options=wanted, device=device)
    return session.find(song, sample_rate=sample_rate)


def find_voices(
    audio: np.ndarray,
    sample_rate: int,
    *,
    model: str | Path | None = None,
    separator: str | Path | None = None,
    options: PitchOptions | None = None,
    device: str = "auto",
) -> Voices:
    """Find the pitch of several voices in a song that is in memory.

    Arguments are those of `find_pitch`; `polyphonic` goes without saying.

    Returns:
        Times in s `(steps,)`, f0 in Hz with 0 where a voice is silent and confidence in 0..1,
        `(6, steps)` each.

    Raises:
        UsageError: for a tracker of one voice.
        UnmixError: as in `find_pitch`.
    """
    wanted = replace(options or PitchOptions(), polyphonic=True)
    song, sample_rate = _checked(audio, sample_rate)
    session = _pitch_session(model, separator, options=wanted, device=device)
    return session.find_voices(song, sample_rate=sample_rate)


class _Collector:
    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self.paths: dict[str, Path] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StemWritten):
            self.paths[event.stem] = event.path
        if self._listener is not None:
            self._listener(event)


def _session(
    model: str | Path | Session | None,
    *,
    stems: Sequence[str],
    device: str,
    options: SpectralOptions | None,
) -> Session:
    if isinstance(model, Session):
        return model
    return load_model(model, stems=stems, device=device, options=options)


def _pitch_session(
    model: str | Path | None, separator: str | Path | None, *, options: PitchOptions, device: str
) -> PitchSession:
    finder, splitter = (None if name is None else str(name) for name in (model, separator))
    return open_pitch(select_pitch(finder, options=options, separator=splitter), device=device)


def _checked(audio: np.ndarray, sample_rate: float) -> tuple[np.ndarray, int]:
    mix = np.atleast_2d(np.asarray(audio))
    if mix.ndim != 2 or mix.shape[0] not in (1, 2):
        raise InputError(
            f"audio must be (samples,) or (channels, samples) with 1 or 2 channels, "
            f"not {np.shape(audio)}"
        )
    if not sample_rate >= 1 or sample_rate % 1:
        raise InputError(f"sample_rate must be whole and at least 1 Hz, not {sample_rate}")
    if not mix.shape[1]:
        raise InputError("audio holds no samples")
    if not np.issubdtype(mix.dtype, np.floating):
        raise InputError(f"audio must be floating point in -1..1, not {mix.dtype}")
    single = np.ascontiguousarray(mix, dtype=np.float32)
    if not np.isfinite(single).all():
        raise InputError("audio holds NaN or infinite samples")
    return single, int(sample_rate)
