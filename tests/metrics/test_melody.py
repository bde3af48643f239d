from __future__ import annotations

import builtins
from typing import Any

import mir_eval
import numpy as np
import pytest

from unmixcli.errors import InputError, ResourceError, UsageError
from unmixcli.metrics.melody import evaluate, melody, multi_f0

TIMES = np.arange(100) * 0.01


def sung() -> Any:
    """Eighty voiced frames that rise by a fifth, then twenty unvoiced ones."""
    pitch = 220 * 2 ** (np.linspace(0, 7, 100) / 12)
    pitch[80:] = 0
    return pitch


def score(estimate: Any, **options: Any) -> dict[str, float]:
    return melody(TIMES, sung(), estimate_times_s=TIMES, estimate_hz=estimate, **options)


def test_a_perfect_estimate_scores_one() -> None:
    scores = score(sung())
    assert {name for name, value in scores.items() if value == 1} == {
        "Voicing Recall",
        "Raw Pitch Accuracy",
        "Raw Chroma Accuracy",
        "Overall Accuracy",
    }
    assert scores["Voicing False Alarm"] == 0


@pytest.mark.parametrize(("cents", "hit"), [(0, 1), (49, 1), (-49, 1), (51, 0), (100, 0)])
def test_pitches_agree_within_half_a_semitone(cents: float, hit: float) -> None:
    assert score(sung() * 2 ** (cents / 1200))["Raw Pitch Accuracy"] == hit


def test_octave_errors_count_for_pitch_and_not_for_chroma() -> None:
    scores = score(sung() * 2)
    assert (scores["Raw Pitch Accuracy"], scores["Raw Chroma Accuracy"]) == (0, 1)


def test_voicing_is_counted_apart_from_pitch() -> None:
    estimate = sung()
    estimate[40:80] *= -1
    estimate[90:] = 300
    scores = score(estimate)
    assert scores["Raw Pitch Accuracy"] == 1
    assert scores["Voicing Recall"] == pytest.approx(0.5)
    assert scores["Voicing False Alarm"] == pytest.approx(0.5)
    assert scores["Overall Accuracy"] == pytest.approx(0.5)


def test_silence_is_scored_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    silence = np.zeros(len(TIMES))
    found = evaluate(TIMES, silence, estimate_times_s=TIMES, estimate_hz=silence)
    assert found == {"OA": 1, "VFA": 0}
    assert not recwarn


def test_tolerance_is_handed_on() -> None:
    assert score(sung() * 2 ** (40 / 1200), tolerance_cents=30)["Raw Pitch Accuracy"] == 0


def test_evaluate_gives_the_numbers_of_the_papers() -> None:
    estimate = sung()
    estimate[:40] *= 2
    found = evaluate(TIMES, sung(), estimate_times_s=TIMES, estimate_hz=estimate)
    assert found == pytest.approx({"OA": 0.6, "RPA": 0.5, "RCA": 1, "VR": 1, "VFA": 0})


def test_estimates_on_other_frames_are_resampled_as_mir_eval_does() -> None:
    times = np.arange(70) * 0.0145
    pitch = 220 * 2 ** (np.linspace(0, 7, 70) / 12)
    found = melody(TIMES, sung(), estimate_times_s=times, estimate_hz=pitch)
    assert found == dict(mir_eval.melody.evaluate(TIMES, sung(), times, pitch))


def test_multi_f0_counts_each_pitch() -> None:
    times = [0.0, 0.1, 0.2, 0.3]
    reference = [[220.0, 330.0], [220.0], [], [440.0]]
    estimate = [[220.0], [220.0, 500.0], [], [880.0]]
    found = multi_f0(times, reference, estimate_times_s=times, estimate_hz=estimate)
    assert found["Precision"] == pytest.approx(2 / 4)
    assert found["Recall"] == pytest.approx(2 / 4)
    assert found["Accuracy"] == pytest.approx(2 / 6)
    assert found["Chroma Recall"] == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("times", "pitch", "kind", "words"),
    [
        ([0, 1], [220], UsageError, "one f0 for each time"),
        ([[0]], [[220]], UsageError, "one f0 for each time"),
        ([], [], InputError, "no frames"),
        ([1, 0], [220, 220], InputError, "sort the frames"),
        ([-1, 0], [220, 220], InputError, "sort the frames"),
        ([0, np.nan], [220, 220], InputError, "sort the frames"),
        ([0, 1], [220, np.nan], InputError, "write 0 for unvoiced"),
    ],
)
def test_melodies_that_are_refused(times: Any, pitch: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        melody(TIMES, sung(), estimate_times_s=times, estimate_hz=pitch)


@pytest.mark.parametrize(
    ("times", "pitch", "kind", "words"),
    [
        ([0, 1], [[220]], UsageError, "one list of frequencies"),
        ([0], [[[220]]], UsageError, "one list of frequencies"),
        ([], [], InputError, "no frames"),
        ([0], [[0.0]], InputError, "leave unvoiced frames empty"),
        ([0], [[np.inf]], InputError, "leave unvoiced frames empty"),
    ],
)
def test_multi_f0_that_are_refused(times: Any, pitch: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        multi_f0([0.0], [[220.0]], estimate_times_s=times, estimate_hz=pitch)


def test_settings_that_are_refused() -> None:
    with pytest.raises(UsageError, match="0 cents"):
        score(sung(), tolerance_cents=0)
    with pytest.raises(TypeError, match="tolerance_cent"):
        score(sung(), tolerance_cent=30)


def test_without_mir_eval_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("mir_eval"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match=r"unmixcli\[eval\]"):
        score(sung())
