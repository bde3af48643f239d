"""References and scores of pitch: which frames count, what is heard, what is found only once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mir_eval import melody as theirs

from benchmarks import pitch_scores
from benchmarks.pitch_scores import (
    ALONE,
    BACKED,
    SUNG,
    Case,
    Curves,
    Item,
    Reference,
    agreement,
    find_items,
    measure,
    reference,
    scored,
)
from unmixcli.data.tracks import Manifest, Part, Track
from unmixcli.errors import InputError
from unmixcli.metrics.melody import SHORT_NAMES
from unmixcli.models.card import Chunks
from unmixcli.models.catalogue import Choice, find_model
from unmixcli.pitch.f0 import F0
from unmixcli.pitch.session import PitchChoice, PitchOptions, open_pitch, select_pitch
from unmixcli.separation.stems import Request, plan_outputs

RATE = 16000
A3_HZ, LOUDER_HZ = 220.0, 330.0


def curve(*f0_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames each 10 ms."""
    return np.arange(len(f0_hz)) / 100, np.array(f0_hz)


def cents(f0_hz: float, up: float) -> float:
    return f0_hz * 2 ** (up / 1200)


def test_trackers_agree_where_both_are_silent_or_near() -> None:
    one = curve(0, 220, 220, 220, 0, 220, 440)
    other = curve(0, 220, cents(220, 49), cents(220, -51), 220, 0, 220)
    truth = agreement(one, other)
    assert truth.kept is not None
    assert truth.kept.tolist() == [True, True, True, False, False, False, False]
    np.testing.assert_allclose(truth.f0_hz, [0, 220, cents(220, 24.5)])
    np.testing.assert_array_equal(truth.times_s, one[0][:3])
    assert truth.is_sung
    swapped = agreement(other, one)
    np.testing.assert_array_equal(swapped.f0_hz, truth.f0_hz)


def test_curves_of_other_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="same times"):
        agreement(curve(0, 220), (np.array([0, 0.02]), np.array([0, 220.0])))


def test_silence_of_both_is_no_singing() -> None:
    assert not agreement(curve(0, 0, 220), curve(0, 0, 0)).is_sung


def test_frames_that_are_left_out_do_not_count() -> None:
    # mir_eval makes a frame at 0 s where there is none.
    truth = agreement(curve(880, 0, 220, 220, 220), curve(0, 0, 220, 0, 880))
    for first, *last in ((0.0, 0.0, 0.0), (220.0, 220.0, 5.0), (5.0, 1e3, 880.0)):
        scores = scored(truth, curve(first, 0, 220, *last))
        assert scores == {"OA": 1, "RPA": 1, "RCA": 1, "VR": 1, "VFA": 0}


def test_scores_in_closed_form() -> None:
    truth = Reference(*curve(0, 0, 220, 220, 220, 220))
    # One false alarm of two; of four one right, one an octave off, one wrong, one missed.
    scores = scored(truth, curve(0, 100, 220, 440, 300, 0))
    expected = {"OA": 2 / 6, "RPA": 1 / 4, "RCA": 2 / 4, "VR": 3 / 4, "VFA": 1 / 2}
    assert scores == pytest.approx(expected)


def test_scores_are_those_of_mir_eval() -> None:
    random = np.random.default_rng(0)
    times = np.arange(400) * 0.0058
    truth = np.where(random.random(400) < 0.6, 220 * 2 ** random.normal(0, 0.3, 400), 0)
    estimate = np.arange(230) / 100, np.where(random.random(230) < 0.6, 220.0, 0)
    expected = theirs.evaluate(times, truth, *estimate)
    ours = scored(Reference(times, truth), estimate)
    assert ours == {short: expected[name] for name, short in SHORT_NAMES.items()}


def tone(hz: float, seconds: float) -> np.ndarray:
    phase = 2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(k * phase) / k for k in range(1, 6)) / 8


@pytest.fixture
def track(tmp_path: Path) -> Track:
    """A voice on A3 below something louder, 2 s."""
    soundfile.write(tmp_path / "voice.wav", tone(A3_HZ, 2), RATE)
    soundfile.write(tmp_path / "rest.wav", 2 * tone(LOUDER_HZ, 2), RATE)
    stems = {n: (Part(tmp_path / f"{f}.wav"),) for n, f in (("vocals", "voice"), ("other", "rest"))}
    return Track("song", stems)


def annotated(track: Track, folder: Path) -> Track:
    rows = (f"{k / 100:g},{k if k % 2 else 0}" for k in range(1, 200))
    (folder / "f0.csv").write_text("\n".join(rows))
    return replace(track, annotations={"f0_csv": folder / "f0.csv"})


def test_groups(track: Track, tmp_path: Path) -> None:
    known = annotated(track, tmp_path)
    solo = replace(known, stems={"vocals": known.stems["vocals"], "accompaniment": ()})
    assert [Item(t, 60, "").group for t in (track, known, solo)] == [SUNG, BACKED, ALONE]


def test_of_a_long_track_the_middle_is_heard(track: Track, tmp_path: Path) -> None:
    whole, middle = (Item(annotated(track, tmp_path), s, "") for s in (60.0, 0.5))
    np.testing.assert_array_equal(middle.mix, whole.mix[:, 12000:20000])
    np.testing.assert_array_equal(middle.vocals, whole.vocals[:, 12000:20000])
    assert whole.mix.shape == (1, 2 * RATE)
    assert whole.annotated is not None
    assert middle.annotated is not None
    times_s, f0_hz = middle.annotated
    assert len(whole.annotated[0]) == 199
    np.testing.assert_allclose(times_s, np.arange(50) / 100, atol=1e-9)
    np.testing.assert_array_equal(f0_hz[:4], [75, 0, 77, 0])


def test_tracks_without_a_voice_are_apart(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    rest = {"other": track.stems["other"]}
    still = replace(track, name="still", stems={"vocals": (), **rest})
    tracks = (track, still, replace(track, name="who knows", stems=rest))
    monkeypatch.setattr(pitch_scores, "read_dataset", lambda _: Manifest("all", tracks))
    (sung,), (unsung,) = (find_items(Path(), longest_s=0.5, sung=sung) for sung in (True, False))
    assert (sung.name, unsung.name) == ("song", "still")
    assert unsung.mix.shape == (1, RATE // 2)


def swift(*, on_truth: bool = False, name: str = "SwiftF0", threshold: float | None = None) -> Case:
    options = PitchOptions(threshold=threshold)
    return Case(name, select_pitch("swiftf0", options=options), on_truth)


def test_pitch_is_found_once(track: Track, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def counted(*args: object, **more: object) -> object:
        opened.append(1)
        return open_pitch(*args, **more)

    monkeypatch.setattr(pitch_scores, "open_pitch", counted)
    items = [Item(track, 60, "a"), Item(replace(track, name="again"), 60, "b")]
    curves = Curves(tmp_path / "kept")
    cases = [swift(), swift(on_truth=True, name="truth")]
    for _ in range(2):
        measure(cases, items, curves)
        assert len(opened) == len(cases)
    for case, hz in zip(cases, (LOUDER_HZ, A3_HZ), strict=True):
        kept = curves.read(case, items[1])
        assert kept is not None
        assert len(kept[0]) == 201
        middle = kept[1][50:150]
        np.testing.assert_allclose(1200 * np.log2(middle / hz), 0, atol=25)


def test_what_is_kept_depends_on_what_made_it(track: Track, tmp_path: Path) -> None:
    item, curves = Item(track, 60, "audio"), Curves(tmp_path)
    curves.write(swift(), item, F0(*curve(0, 220.0004), np.zeros(2)))
    kept = curves.read(swift(), item)
    assert kept is not None
    np.testing.assert_array_equal(kept[1], [0, 220])
    assert curves.read(swift(), replace(item, of="other audio")) is None
    assert curves.read(swift(threshold=0.7), item) is None
    assert curves.read(swift(on_truth=True), item) is None


def test_words_on_a_card_change_no_pitch_but_weights_do() -> None:
    model, separator = find_model("deep-salience-vocal"), find_model("unmix-small")

    def hashed(**changes: object) -> set[str]:
        plan = plan_outputs(separator.stem_set, Request(stems=("vocals",)), model=separator.name)
        cards = [(model.card.model_copy(update=changes), separator.card)]
        cards.append((model.card, separator.card.model_copy(update=changes)))
        return {
            Case(
                "row",
                PitchChoice(
                    replace(model, card=one),
                    PitchOptions(),
                    (Choice(replace(separator, card=other)), plan),
                ),
            ).of
            for one, other in cards
        }

    assert hashed() == hashed(title="another", scores=(), citation="since then")
    assert len(hashed() | hashed(chunks=Chunks(length=640)) | hashed(files=())) == 5


def test_annotations_come_before_trackers(track: Track, tmp_path: Path) -> None:
    trackers = (swift(name="one"), swift(name="other"))
    curves, item = Curves(tmp_path / "kept"), Item(track, 60, "")
    for tracker, f0_hz in zip(trackers, (220.0, 222.0), strict=True):
        curves.write(tracker, item, F0(*curve(0, f0_hz), np.zeros(2)))
    agreed = reference(item, curves, trackers)
    np.testing.assert_allclose(agreed.f0_hz, [0, np.sqrt(220 * 222)])
    known = reference(Item(annotated(track, tmp_path), 60, ""), curves, trackers)
    assert known.kept is None
    assert len(known.f0_hz) == 199


def test_without_voiced_frames_there_is_no_score() -> None:
    nothing = agreement(curve(220), curve(0))
    assert not nothing.is_sung
    with pytest.raises(InputError):
        scored(nothing, curve(220))
