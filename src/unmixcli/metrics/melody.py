"""Melody and multiple f0: was the right pitch found, and was singing found where there is some.

A melody is two arrays ``(frames,)``: times in seconds, not decreasing, and f0 in Hz, where 0 means
that the frame is unvoiced. Estimates may give a pitch guess for an unvoiced frame as a negative
f0. Multiple f0 is times ``(frames,)`` and a list of arrays, the frequencies of each frame, empty
where there are none. Scores are in [0, 1] unless a name says error; two pitches agree within half
a semitone. The measures are those of ``mir_eval`` (Raffel et al., 2014), which does the work.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from unmixcli.errors import InputError, ResourceError, UsageError

Array = npt.NDArray[np.float64]

SHORT_NAMES = {
    "Overall Accuracy": "OA",
    "Raw Pitch Accuracy": "RPA",
    "Raw Chroma Accuracy": "RCA",
    "Voicing Recall": "VR",
    "Voicing False Alarm": "VFA",
}
"""What papers call the measures of ``melody``."""


def validate(times_s: npt.ArrayLike, f0_hz: npt.ArrayLike, *, name: str) -> tuple[Array, Array]:
    """Check one melody and return it as float64.

    Shape: ``(frames,)`` each.

    Raises:
        UsageError: arrays of other shapes or of unequal length.
        InputError: no frames, NaN or infinity, or times that are negative or decrease.
    """
    times, pitch = np.asarray(times_s, dtype=np.float64), np.asarray(f0_hz, dtype=np.float64)
    if pitch.shape != times.shape or times.ndim != 1:
        raise UsageError(
            f"The {name}'s times {times.shape} and f0 {pitch.shape} differ; "
            "pass one f0 for each time."
        )
    _check_times(times, name=name)
    if not np.isfinite(pitch).all():
        raise InputError(
            f"The {name}'s f0 has NaN or infinite values; write 0 for unvoiced frames."
        )
    return times, pitch


def validate_multi_f0(
    times_s: npt.ArrayLike, f0_hz: Sequence[npt.ArrayLike], *, name: str
) -> tuple[Array, list[Array]]:
    """Check times and one list of frequencies a frame, and return them as float64.

    Raises:
        UsageError: shapes other than those above.
        InputError: no frames, times that decrease, or frequencies that are not above zero.
    """
    times = np.asarray(times_s, dtype=np.float64)
    pitches = [np.atleast_1d(np.asarray(frame, dtype=np.float64)) for frame in f0_hz]
    if times.shape != (len(pitches),) or any(frame.ndim != 1 for frame in pitches):
        raise UsageError(
            f"The {name} has times of shape {times.shape} and {len(pitches)} frames of f0; "
            "pass one list of frequencies for each time."
        )
    _check_times(times, name=name)
    if not all(np.isfinite(frame).all() and (frame > 0).all() for frame in pitches):
        raise InputError(
            f"The {name} has frequencies that are not above zero; leave unvoiced frames empty."
        )
    return times, pitches


def melody(
    reference_times_s: npt.ArrayLike,
    reference_hz: npt.ArrayLike,
    *,
    estimate_times_s: npt.ArrayLike,
    estimate_hz: npt.ArrayLike,
    tolerance_cents: float = 50.0,
) -> dict[str, float]:
    """Score one melody: voicing recall and false alarm, raw pitch, raw chroma, overall accuracy.

    Estimates are resampled to the reference's times as ``mir_eval.melody`` does. Measures after
    Poliner et al. (2007).

    Shape: ``(frames,)`` each; the two melodies need not have the same frames.

    Raises:
        UsageError: see ``validate``, or a tolerance that is not above zero.
        InputError: see ``validate``.
        ResourceError: mir_eval is not installed.
    """
    if not tolerance_cents > 0:
        raise UsageError(f"The tolerance is {tolerance_cents} cents; pass a number above zero.")
    reference = validate(reference_times_s, reference_hz, name="reference")
    estimate = validate(estimate_times_s, estimate_hz, name="estimate")
    with warnings.catch_warnings():
        # Silence is a melody like any other here, and voicing recall and false alarm tell it.
        warnings.filterwarnings("ignore", message=".* melody has no voiced frames")
        scores = _mir_eval().melody.evaluate(*reference, *estimate, cent_tolerance=tolerance_cents)
    return _numbers(scores)


def multi_f0(
    reference_times_s: npt.ArrayLike,
    reference_hz: Sequence[npt.ArrayLike],
    *,
    estimate_times_s: npt.ArrayLike,
    estimate_hz: Sequence[npt.ArrayLike],
) -> dict[str, float]:
    """Score several f0 a frame: precision, recall, accuracy and errors, also by chroma.

    Measures after Bay, Ehmann and Downie (2009), as ``mir_eval.multipitch``.

    Raises:
        UsageError: see ``validate_multi_f0``.
        InputError: see ``validate_multi_f0``.
        ResourceError: mir_eval is not installed.
    """
    reference = validate_multi_f0(reference_times_s, reference_hz, name="reference")
    estimate = validate_multi_f0(estimate_times_s, estimate_hz, name="estimate")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* frequencies are all empty")
        scores = _mir_eval().multipitch.evaluate(*reference, *estimate)
    return _numbers(scores)


def evaluate(
    reference_times_s: npt.ArrayLike,
    reference_hz: npt.ArrayLike,
    *,
    estimate_times_s: npt.ArrayLike,
    estimate_hz: npt.ArrayLike,
) -> dict[str, float]:
    """The scores of ``melody`` by the names that papers print: OA, RPA, RCA, VR and VFA.

    They are overall accuracy, raw pitch and raw chroma accuracy, voicing recall and false alarm; of
    the last alone less is better. Of a reference without a voiced frame there are OA and VFA.
    Shape and errors: see ``melody``.
    """
    scores = melody(
        reference_times_s,
        reference_hz,
        estimate_times_s=estimate_times_s,
        estimate_hz=estimate_hz,
    )
    is_sung = bool((np.asarray(reference_hz) > 0).any())
    told = tuple(SHORT_NAMES.values()) if is_sung else ("OA", "VFA")
    return {short: scores[name] for name, short in SHORT_NAMES.items() if short in told}


def _check_times(times: Array, *, name: str) -> None:
    if times.size == 0:
        raise InputError(f"The {name} has no frames; pass at least one.")
    if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) < 0).any():
        raise InputError(
            f"The {name}'s times are not finite, not negative and rising; sort the frames by time."
        )


def _numbers(scores: dict[str, Any]) -> dict[str, float]:
    return {name: float(score) for name, score in scores.items()}


def _mir_eval() -> ModuleType:
    try:
        import mir_eval.melody
        import mir_eval.multipitch
    except ImportError as missing:
        raise ResourceError(
            "Pitch is scored with mir_eval, which is missing: type pip install 'unmixcli[eval]'."
        ) from missing
    module: ModuleType = mir_eval
    return module
