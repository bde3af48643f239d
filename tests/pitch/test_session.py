"""What runs for a request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unmixcli
from conftest import make_model
from pitch.ridges_for_tests import KnownSalience, cents, ridge
from unmixcli.errors import ResourceError, UsageError
from unmixcli.models.card import Card, Pitch
from unmixcli.models.catalogue import Model
from unmixcli.pitch import session, trackers
from unmixcli.pitch.results import Wanted, file_names
from unmixcli.pitch.session import PitchOptions, TrackAudio, open_pitch, select_pitch, settings_of


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[KnownSalience]:
    """Every model is one that gives pitch alone; the streams that were loaded."""
    table = Pitch(hop_samples=256, f_min_hz=32.7, bins_per_octave=60, bins=360, threshold=0.3)
    card = Card.model_construct(name="known", stems=(), pitch=table, mps=False)
    loaded: list[KnownSalience] = []

    def load(name: Path, device: object) -> KnownSalience:
        loaded.append(KnownSalience(lambda times: ridge(220 + 0 * times)))
        return loaded[-1]

    monkeypatch.setattr(session, "pitch_model", lambda name: Model(card, tmp_path))
    monkeypatch.setattr(session, "load_stream", load)
    return loaded


def track(samples: int = 22050) -> TrackAudio:
    return TrackAudio(22050, 1, lambda: [np.zeros((1, samples), np.float32)])


def test_named_tracker_hears_the_input_itself() -> None:
    choice = select_pitch("pyin", options=PitchOptions())
    assert (choice.model.name, choice.separator, choice.notice) == ("pyin", None, "")


@pytest.mark.parametrize(("stem", "tracker"), [(None, "swiftf0"), ("bass", "pyin")])
def test_unnamed_is_a_tracker_on_a_stem(tmp_path: Path, stem: str | None, tracker: str) -> None:
    """SwiftF0 does not reach the lowest notes of a bass."""
    model = make_model(tmp_path / "small", stems=("vocals", "bass", "accompaniment"))
    choice = select_pitch(None, options=PitchOptions(stem=stem), separator=str(model))
    assert choice.model.name == tracker
    assert choice.separator is not None
    assert choice.separator[1].outputs == (stem or "vocals",)
    assert choice.notice == f"small separates the {stem or 'vocals'}, {tracker} finds the pitch"


def test_without_swiftf0_it_is_pyin(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "PACKAGES", {"pyin": "librosa", "swiftf0": "no-such-package"})
    choice = select_pitch(None, options=PitchOptions(), separator=str(small_model))
    assert choice.model.name == "pyin"
    with pytest.raises(ResourceError, match="no-such-package"):
        select_pitch("swiftf0", options=PitchOptions())


def test_vocal_pitch_is_taken_where_it_is(
    known: list[KnownSalience], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    card = Card.model_construct(name="vocal-pitch", architecture="known", files=())
    monkeypatch.setattr(session, "list_models", lambda: [Model(card, tmp_path)])
    choice = select_pitch(None, options=PitchOptions())
    assert (choice.separator, choice.is_tracker) == (None, False)


def test_threshold_is_that_of_the_card(known: list[KnownSalience]) -> None:
    for threshold, voiced in ((None, True), (0.95, False)):
        choice = select_pitch("known", options=PitchOptions(threshold=threshold))
        with open_pitch(choice, device="cpu").finder(track()) as finder:
            finder.push(np.zeros((1, 22050), np.float32))
            assert finder.finish().f0.f0_hz.any() == voiced


def test_a_stream_is_loaded_once_for_tracks_in_turn(known: list[KnownSalience]) -> None:
    ready = open_pitch(select_pitch("known", options=PitchOptions()), device="cpu")
    for _ in range(3):
        with ready.finder(track()) as finder:
            finder.push(np.zeros((1, 22050), np.float32))
            assert finder.finish().f0.frames > 0
    assert len(known) == 1
    with ready.finder(track()), ready.finder(track()):
        assert len(known) == 2


def test_range_off_the_axis_is_refused_before_loading(known: list[KnownSalience]) -> None:
    with pytest.raises(UsageError, match="no bin of the salience"):
        select_pitch("known", options=PitchOptions(f_min_hz=3000))
    assert not known


def test_settings_tell_separators_apart(tmp_path: Path, small_model: Path) -> None:
    other = make_model(tmp_path / "other", seed=1)
    one, two = (
        settings_of(select_pitch("pyin", options=PitchOptions(), separator=str(model)))
        for model in (small_model, other)
    )
    assert one != two
    assert one["package"]


def test_stems_need_something_that_gives_them(known: list[KnownSalience]) -> None:
    choice = select_pitch("known", options=PitchOptions())
    with pytest.raises(UsageError, match="--stems: nothing is separated; add --stem"):
        file_names(choice, Wanted(stem=True))


def test_array_gives_one_voice(known: list[KnownSalience]) -> None:
    with pytest.raises(UsageError, match="find_pitch gives one voice; call find_voices"):
        unmixcli.find_pitch(np.zeros(100), 8000, options=PitchOptions(polyphonic=True))
    assert not known


def test_tracker_has_no_voices() -> None:
    with pytest.raises(UsageError, match="--polyphonic: pyin gives one voice"):
        unmixcli.find_voices(np.zeros(100), 8000, model="pyin")


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 1)])
def test_noise_is_unvoiced(rate: int, channels: int) -> None:
    """By the trained model."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((channels, 4 * rate))
    assert not unmixcli.find_pitch(noise, rate, model="vocal-pitch").voiced.any()


def test_array_gives_a_curve() -> None:
    times = np.arange(44100) / 44100
    song = sum(0.2 * np.sin(2 * np.pi * 220 * k * times) / k for k in range(1, 7))
    before = song.copy()
    f0 = unmixcli.find_pitch(song, 44100, model="swiftf0", options=PitchOptions(step_ms=20))
    np.testing.assert_allclose(f0.times_s, np.arange(51) * 0.02)
    assert f0.voiced[5:-5].all()
    assert np.abs(cents(f0.f0_hz[5:-5], 220.0)).max() < 20
    assert np.array_equal(song, before)
