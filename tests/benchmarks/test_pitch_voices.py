"""Two voices at once: what counts as found, and what a duet is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.pitch_scores import Case, Curves, Item
from benchmarks.pitch_voices import DUETS, MEASURES, Duet, duet, frames_of, page, plans, scored
from unmixcli.data.tracks import Part, Track
from unmixcli.pitch.f0 import F0
from unmixcli.pitch.session import PitchOptions, open_pitch, select_pitch

RATE = 16000
LOWER, UPPER = 220.0, 330.0


def known(*frames: tuple[float, float], kept: tuple[int, ...] | None = None) -> Duet:
    """A duet of which only the pitch matters; frames each 10 ms."""
    counts = np.ones(len(frames), bool) if kept is None else np.isin(range(len(frames)), kept)
    nothing = np.zeros((1, 0), np.float32)
    times_s, f0_hz = np.arange(len(frames)) / 100, np.array(frames, float).T
    return Duet("a + b", RATE, nothing, nothing, times_s[counts], f0_hz[:, counts], counts)


def ragged(*frames: tuple[float, ...]) -> list[np.ndarray]:
    return [np.array(frame, float) for frame in frames]


def test_scores_in_closed_form() -> None:
    truth = known((0, 0), (LOWER, 0), (LOWER, UPPER), (LOWER, UPPER))
    found = scored(truth, ragged((), (LOWER, 500), (UPPER, LOWER), (UPPER,)))
    # Four of five pitches, and one of five that is none.
    assert found == {
        "both": 1 / 2,
        "precision": pytest.approx(4 / 5),
        "recall": pytest.approx(4 / 5),
        "accuracy": pytest.approx(4 / 6),
    }


@pytest.mark.parametrize(("cents", "near"), [(49, 1), (-49, 1), (51, 0), (1200, 0)])
def test_pitch_is_found_within_half_a_semitone(cents: float, near: int) -> None:
    off = UPPER * 2 ** (cents / 1200)
    assert scored(known((LOWER, UPPER)), ragged((LOWER, off)))["both"] == near


def test_one_pitch_is_not_two_voices() -> None:
    """Nor is the octave of one, which a chroma would take for it."""
    for frame in ((LOWER,), (LOWER, 2 * LOWER), ()):
        assert scored(known((LOWER, UPPER)), ragged(frame))["both"] == 0


def test_frames_without_a_reference_do_not_count() -> None:
    truth = known((9, 9), (LOWER, UPPER), (9, 9), (LOWER, 0), kept=(1, 3))
    found = scored(truth, ragged((50,), (LOWER, UPPER), (70, 80, 90), (LOWER,), (60,)))
    assert found == dict.fromkeys(MEASURES, 1)


def item(folder: Path, name: str, hz: float, *, loud: float, rate: int = RATE) -> Item:
    """A second of a voice over a backing of its own."""
    times = np.arange(rate) / rate
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"vocals": loud * np.sin(2 * np.pi * hz * times), "other": np.full(rate, loud / 10)}
    for stem, audio in parts.items():
        path = folder / f"{name}-{stem}.wav"
        soundfile.write(path, audio.astype(np.float32), rate, subtype="FLOAT")
    stems = {stem: (Part(folder / f"{name}-{stem}.wav"),) for stem in parts}
    return Item(Track(name, stems), 60, name)


@pytest.fixture
def trackers() -> tuple[Case, Case]:
    one, other = (Case(name, select_pitch("pyin", options=PitchOptions())) for name in "ab")
    return one, other


def test_duet_has_both_voices_at_one_level(tmp_path: Path, trackers: tuple[Case, Case]) -> None:
    one, other = item(tmp_path, "a", LOWER, loud=0.1), item(tmp_path, "b", UPPER, loud=0.8)
    curves, zeros = Curves(tmp_path / "kept"), np.zeros(101)
    pitch = {"a": np.full(101, LOWER), "b": np.full(101, UPPER)}
    pitch["b"][:20] = 0
    for which in (one, other):
        for case in trackers:
            f0 = pitch[which.name].copy()
            # The second tracker errs for a while.
            f0[40:50] *= 2 if (case.name, which.name) == ("b", "a") else 1
            curves.write(case, which, F0(np.arange(101) / 100, f0, zeros))
    made = duet(one, other, curves, trackers)
    np.testing.assert_allclose(made.backing, 0.01, atol=1e-6)
    np.testing.assert_allclose(made.voices, one.vocals + other.vocals / 8, atol=1e-4)
    assert made.kept.tolist() == [not 40 <= frame < 50 for frame in range(101)]
    assert made.together.sum() == 101 - 20 - 10
    np.testing.assert_array_equal(made.f0_hz[0], LOWER)
    np.testing.assert_array_equal(np.unique(made.f0_hz[1]), [0, UPPER])


def test_rates_must_be_the_same(tmp_path: Path, trackers: tuple[Case, Case]) -> None:
    one = item(tmp_path, "a", LOWER, loud=0.1)
    other = item(tmp_path, "b", UPPER, loud=0.1, rate=8000)
    with pytest.raises(ValueError, match="two rates"):
        duet(one, other, Curves(tmp_path), trackers)


def test_one_voice_is_at_most_one_pitch_a_frame(tmp_path: Path) -> None:
    voice = item(tmp_path, "a", LOWER, loud=0.1)
    session = open_pitch(select_pitch("swiftf0", options=PitchOptions()), device="cpu")
    frames = frames_of(session, voice.vocals, rate=RATE)
    assert len(frames) == 101
    assert {len(frame) for frame in frames} <= {0, 1}
    middle = np.concatenate(frames[20:80])
    np.testing.assert_allclose(1200 * np.log2(middle / LOWER), 0, atol=25)


def test_page_has_a_table_with_and_without_a_backing() -> None:
    scores = dict.fromkeys(MEASURES, 0.25)
    rows = {"mine": {"Two voices alone": scores, "Two voices over a backing": scores}}
    text = page(rows, [known((LOWER, UPPER), (0, UPPER))], "`theirs`")
    assert text.count("| mine | 0.250 | 0.250 | 0.250 | 0.250 |") == 2
    assert "a + b: 100% of 0 s kept, both sing in 50%" in text
    assert "left out: `theirs`" in text
    assert "left out" not in page(rows, [known((LOWER, UPPER))], "")


def test_all_rows_but_the_floor_look_for_several_voices() -> None:
    *several, floor = plans("mine", "splitter")
    assert all(plan.polyphonic for plan in several)
    assert not floor.polyphonic
    assert floor == replace(floor, model="swiftf0", separator="splitter")
    assert len({name for pair in DUETS for name in pair}) > len(DUETS)
