"""Effects on tempo and pitch, which a whole track gets alike: stretch, pitch shift, resampling.

Leading axes go through an effect together, so that stems keep their time to each other. The
stretcher is Rubber Band, if the package pedalboard is there, and else the phase vocoder of librosa;
a run that shall be repeated elsewhere needs the same one there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soxr
import torch
from torch import Tensor

from unmixcli.training.augment.draw import Draw, untouched_at_zero

Engine = Literal["rubberband", "phase_vocoder"]
_Rows = npt.NDArray[np.float32]

# Two windows of the phase vocoder; Rubber Band, moreover, takes fewer samples than rows for
# the other axis. What is shorter is followed by zeros.
_LEAST_SAMPLES = 4096

_TEMPO = 1.2
_SEMITONES = 3.0
_SPEED_SEMITONES = 2.0


def available_engine() -> Engine:
    """The better stretcher of those installed."""
    return "rubberband" if find_spec("pedalboard") else "phase_vocoder"


def stretched(
    signal: Tensor, *, tempo: float, sample_rate: int, engine: Engine | None = None
) -> Tensor:
    """Play `tempo` times as fast at the same pitch.

    Shape: `(..., channels, samples)` to `(..., channels, round(samples / tempo))`.

    Args:
        signal: float32.
        tempo: positive.
        sample_rate: Hz.
        engine: the stretcher; None takes the better one of those installed.
    """
    _check(tempo, "tempo")
    samples = round(signal.shape[-1] / tempo)

    def rubberband(rows: _Rows) -> Any:
        return _pedalboard().time_stretch(rows, float(sample_rate), stretch_factor=tempo)

    def phase_vocoder(rows: _Rows) -> Any:
        return _librosa().effects.time_stretch(rows, rate=tempo)

    use = rubberband if (engine or available_engine()) == "rubberband" else phase_vocoder
    return _on_rows(signal, use, samples=samples)


def shifted(
    signal: Tensor, *, semitones: float, sample_rate: int, engine: Engine | None = None
) -> Tensor:
    """Move the pitch, formants included, at the same tempo.

    Shape: `(..., channels, samples)`, kept. The arguments are those of `stretched`.
    """

    def rubberband(rows: _Rows) -> Any:
        return _pedalboard().time_stretch(
            rows,
            float(sample_rate),
            pitch_shift_in_semitones=semitones,
            preserve_formants=False,
        )

    def phase_vocoder(rows: _Rows) -> Any:
        return _librosa().effects.pitch_shift(rows, sr=sample_rate, n_steps=semitones)

    use = rubberband if (engine or available_engine()) == "rubberband" else phase_vocoder
    return _on_rows(signal, use, samples=signal.shape[-1])


def sped(signal: Tensor, *, speed: float, sample_rate: int) -> Tensor:
    """Play `speed` times as fast, and as much higher, as a tape would.

    Shape: `(..., channels, samples)` to `(..., channels, round(samples / speed))`.
    """
    _check(speed, "speed")

    def resample(rows: _Rows) -> Any:
        return soxr.resample(rows.T, sample_rate * speed, sample_rate).T

    return _on_rows(signal, resample, samples=round(signal.shape[-1] / speed))


@untouched_at_zero
def time_stretch(signal: Tensor, draw: Draw) -> Tensor:
    """Stretch to a tempo within 1/1.2 to 1.2.

    Shape: `(..., channels, samples)` to another number of samples.
    """
    tempo = _TEMPO ** draw.either_way(1.0)
    return stretched(signal, tempo=tempo, sample_rate=draw.sample_rate)


@untouched_at_zero
def pitch_shift(signal: Tensor, draw: Draw) -> Tensor:
    """Shift by up to three semitones either way.

    Shape: `(..., channels, samples)`, kept.
    """
    semitones = draw.either_way(_SEMITONES)
    return shifted(signal, semitones=semitones, sample_rate=draw.sample_rate)


@untouched_at_zero
def resampling(signal: Tensor, draw: Draw) -> Tensor:
    """Change speed and pitch together by up to two semitones either way.

    Shape: `(..., channels, samples)` to another number of samples.
    """
    speed = 2 ** (draw.either_way(_SPEED_SEMITONES) / 12)
    return sped(signal, speed=speed, sample_rate=draw.sample_rate)


def _on_rows(signal: Tensor, effect: Callable[[_Rows], Any], *, samples: int) -> Tensor:
    """Run an effect on `(rows, samples)` and bring the result to a length."""
    rows = signal.detach().reshape(-1, signal.shape[-1]).cpu()
    longer = torch.nn.functional.pad(rows, (0, max(0, _LEAST_SAMPLES - rows.shape[-1])))
    # A copy, so that no library can write into the caller's samples.
    out = torch.from_numpy(np.array(effect(longer.numpy().copy()), dtype=np.float32, order="C"))
    out = torch.nn.functional.pad(out[:, :samples], (0, max(0, samples - out.shape[-1])))
    return out.reshape(*signal.shape[:-1], samples).to(signal.device)


def _check(value: float, name: str) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive, not {value}")


def _pedalboard() -> Any:
    import pedalboard

    return pedalboard


def _librosa() -> Any:
    import librosa

    return librosa
