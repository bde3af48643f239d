"""Synthetic singers, phrases of people, time stretching, voice banks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from data.render.sounds_for_tests import RATE, phrases_of, tone
from unmixcli.data.render.notes import Note, frequency_hz
from unmixcli.data.render.phrases import best_transposition, cut_phrases, phrase_bounds
from unmixcli.data.render.stretch import pitch_shifted, stretched
from unmixcli.data.render.syllables import Syllable, is_bank, sing_syllables, syllables_of
from unmixcli.data.render.synth_voice import POINT_S, Singer, random_singer, sing
from unmixcli.data.render.theory import Chord, Key
from unmixcli.data.render.tracker import PitchTrack, track_pitch

STEADY = Singer(scale=1.0, vibrato_hz=5.0, vibrato_semitones=0.0, drift_semitones=0.0, breath=0.0)
NOTES = [Note(0.2, 0.8, 57.0, 0.9), Note(1.0, 0.8, 60.0, 0.8), Note(2.2, 0.7, 64.5, 0.7)]


def test_annotated_pitch_is_that_of_the_notes() -> None:
    random = np.random.default_rng(0)
    voice, curve = sing(NOTES, STEADY, random, samples=3 * 44100, sample_rate=44100)
    assert voice.shape == (3 * 44100,)
    np.testing.assert_allclose(np.diff(curve.times_s), POINT_S)
    for note in NOTES:
        settled = (curve.times_s > note.start_s + 0.1) & (curve.times_s < note.start_s + 0.6)
        np.testing.assert_allclose(curve.f0_hz[settled], frequency_hz(note.pitch))
    silent = (curve.times_s < 0.2) | (curve.times_s > 2.91)
    assert not curve.f0_hz[silent].any()
    assert not curve.f0_hz[(curve.times_s > 1.81) & (curve.times_s < 2.19)].any()


@pytest.mark.parametrize("seed", range(3))
def test_the_sung_pitch_is_the_annotated_one(seed: int) -> None:
    """A tracker that knows nothing of the curve hears it within 15 cents, vibrato and all."""
    random = np.random.default_rng(seed)
    singer = random_singer(random)
    voice, curve = sing(NOTES, singer, random, samples=3 * 44100, sample_rate=44100)
    heard = track_pitch(voice, sample_rate=44100)
    centre_s = np.arange(len(heard.pitch)) * heard.hop_s + 0.0145
    annotated = np.interp(centre_s, curve.times_s, curve.f0_hz)
    sure = np.isfinite(heard.pitch)
    for note in NOTES:
        sure_here = sure & (centre_s > note.start_s + 0.12) & (centre_s < note.start_s + 0.6)
        assert sure_here.sum() > 15
        found = 69 + 12 * np.log2(annotated[sure_here] / 440)
        assert np.median(np.abs(heard.pitch[sure_here] - found)) < 0.15


def test_vibrato_is_in_the_annotation_whatever_numbers_notes_have() -> None:
    singer = Singer(1.0, vibrato_hz=5.0, vibrato_semitones=0.5, drift_semitones=0.0, breath=0.0)
    random = np.random.default_rng(0)
    _, curve = sing([Note(0, 2, 60, 1)], singer, random, samples=2 * RATE, sample_rate=RATE)
    settled = 69 + 12 * np.log2(curve.f0_hz[(curve.times_s > 0.6) & (curve.times_s < 1.9)] / 440)
    assert settled.max() == pytest.approx(60.5, abs=0.01)
    assert settled.min() == pytest.approx(59.5, abs=0.01)
    assert len(np.unique(settled)) > 20


def test_phrases_are_what_lies_between_silences() -> None:
    samples = phrases_of([60, 64, 67])
    bounds = np.array(phrase_bounds(samples, sample_rate=RATE)) / RATE
    np.testing.assert_allclose(bounds[:, 0], [0.0, 1.8, 3.6], atol=0.05)
    np.testing.assert_allclose(bounds[:, 1], [1.2, 3.0, 4.8], atol=0.05)
    phrases = cut_phrases(samples, sample_rate=RATE)
    np.testing.assert_allclose([p.track.median for p in phrases], [60, 64, 67], atol=0.05)


def test_silence_holds_no_phrase_and_long_ones_are_cut() -> None:
    assert phrase_bounds(np.zeros(RATE, np.float32), sample_rate=RATE) == []
    assert phrase_bounds(np.zeros(0, np.float32), sample_rate=RATE) == []
    endless = np.sin(np.arange(30 * RATE) / 9).astype(np.float32)
    bounds = phrase_bounds(endless, sample_rate=RATE)
    assert bounds[0][0] == 0
    assert all((end - start) / RATE <= 9.0 for start, end in bounds)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


@pytest.mark.parametrize("off", [-3.6, -2.0, -0.4, 0.0, 0.3, 1.7, 3.0])
def test_a_tune_is_brought_back_into_its_key(off: float) -> None:
    """A scale sung off by less than the way to another key of the same notes returns."""
    key = Key(0)
    sung = np.repeat([60, 62, 64, 65, 67, 69, 71, 60, 64, 67], 20).astype(np.float64)
    track = PitchTrack(sung + off, np.ones(len(sung)))
    shift = best_transposition(track, key, Chord(0))
    moved = sung + off + shift
    assert abs(shift) <= 4.0
    inside = np.min(np.abs((moved[:, None] - np.array(key.scale) + 6) % 12 - 6), axis=1)
    assert inside.max() < 0.11 or np.mean(inside < 0.11) > 0.8
    assert best_transposition(PitchTrack(np.full(4, np.nan), np.ones(4)), key, Chord(0)) == 0.0


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.0, 1.3, 2.0])
def test_stretching_keeps_the_pitch_and_the_level(factor: float) -> None:
    sound = np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32)
    longer = stretched(sound, factor=factor, sample_rate=RATE)
    assert len(longer) == round(RATE * factor)
    middle = longer[len(longer) // 4 : -len(longer) // 4]
    assert abs(track_pitch(middle, sample_rate=RATE).median - 57.0) < 0.1
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(np.sqrt(0.5), rel=0.1)


@pytest.mark.parametrize("factor", [0.8, 1.25, 1.9])
def test_what_happens_halfway_happens_halfway(factor: float) -> None:
    time = np.arange(2 * RATE) / RATE
    sound = np.sin(2 * np.pi * np.where(time < 1, 220, 330) * time).astype(np.float32)
    track = track_pitch(stretched(sound, factor=factor, sample_rate=RATE), sample_rate=RATE)
    low = np.sum(np.abs(track.pitch - 57.0) < 0.5) * track.hop_s
    high = np.sum(np.abs(track.pitch - 64.02) < 0.5) * track.hop_s
    assert low == pytest.approx(factor, abs=0.1)
    assert high == pytest.approx(factor, abs=0.1)


@pytest.mark.parametrize("semitones", [-5.0, 3.0, 4.0])
def test_shifting_keeps_the_length(semitones: float) -> None:
    sound = np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32)
    moved = pitch_shifted(sound, semitones=semitones, sample_rate=RATE)
    assert len(moved) == len(sound)
    assert abs(track_pitch(moved[2000:-4000], sample_rate=RATE).median - 57.0 - semitones) < 0.1


def test_banks_are_told_from_songs_and_sing_the_notes() -> None:
    bank = cut_phrases(phrases_of([65.0, 65.2, 64.9, 65.0, 65.1]), sample_rate=RATE)
    tune = cut_phrases(phrases_of([60, 64, 67, 65, 62]), sample_rate=RATE)
    assert is_bank(bank)
    assert not is_bank(tune)
    assert not is_bank([])
    syllables = syllables_of(bank, sample_rate=RATE)
    assert {round(s.pitch) for s in syllables} == {65}
    notes = [Note(0.1, 0.8, 62.0, 0.9)]
    voice = sing_syllables(
        notes, syllables, np.random.default_rng(0), samples=RATE, sample_rate=RATE
    )
    middle = voice[round(0.3 * RATE) : round(0.7 * RATE)]
    assert abs(track_pitch(middle, sample_rate=RATE).median - 62.0) < 0.1


def test_a_far_note_is_sung_in_another_octave() -> None:
    syllable = Syllable(tone(65.0, 0.6), 65.0)
    voice = sing_syllables(
        [Note(0.0, 0.5, 48.0, 1.0)],
        [syllable],
        np.random.default_rng(0),
        samples=RATE,
        sample_rate=RATE,
    )
    assert abs(track_pitch(voice[2000:9000], sample_rate=RATE).median - 60.0) < 0.1
