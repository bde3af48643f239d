"""Annotated voices: their pitch goes with them into another key and another tempo."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.render.sounds_for_tests import write
from unmixcli.data.render import find_source
from unmixcli.data.render.lead_sheet import Bar
from unmixcli.data.render.notes import Audio, Note
from unmixcli.data.render.phrases import Phrase, Voice, cut_phrases, read_voice
from unmixcli.data.render.pitch_curve import PitchCurve, pitch_file, read_curve
from unmixcli.data.render.plan import Plan, Section, make_plan
from unmixcli.data.render.stretch import stretch
from unmixcli.data.render.sung_phrases import Backing, sing_phrases
from unmixcli.data.render.synth_voice import Singer, sing
from unmixcli.data.render.take import Length
from unmixcli.data.render.theory import Chord, Key
from unmixcli.data.render.tracker import track_pitch
from unmixcli.data.render.vocal_take import vocal_take
from unmixcli.errors import InputError

RATE = 16000
SINGER = Singer(1.0, vibrato_hz=5.5, vibrato_semitones=0.4, drift_semitones=0.05, breath=0.005)
MOST_CENTS = 20.0
# Half of the tracker's window of 230 samples and of a period, 16 kHz.
FRAME_CENTRE_S = 0.0095


def sung(seed: int) -> Voice:
    """Four phrases of three notes, out of tune by a third of a semitone, with known pitch."""
    starts = [4 * phrase + at for phrase in range(4) for at in (0.3, 1.1, 1.9)]
    pitches = np.array([55, 57, 59, 60, 57, 55, 59, 62, 60, 57, 59, 55]) + 1.33
    notes = [Note(s, 0.8, float(p), 0.9) for s, p in zip(starts, pitches, strict=True)]
    random = np.random.default_rng(seed)
    sound, curve = sing(notes, SINGER, random, samples=16 * RATE, sample_rate=RATE)
    return Voice(sound, curve)


def plan_in(key: Key, *, tempo_bpm: float) -> Plan:
    bars = int(20 * tempo_bpm / 240)
    chord = Chord(key.tonic)
    return Plan(
        title="t",
        key=key,
        tempo_bpm=tempo_bpm,
        length_s=20.0,
        bars=(Bar(((0.0, chord),)),) * bars,
        sections=(Section(0, bars, frozenset({"voice"}), 0.5),),
        groove=None,  # type: ignore[arg-type]
        fill=None,
        origins=(),
    )


def heard_off(sound: Audio, curve: PitchCurve) -> np.ndarray:
    """Cents between what YIN hears and the curve, in frames well within what is voiced."""
    heard = track_pitch(sound, sample_rate=RATE)
    centre_s = np.arange(len(heard.pitch)) * heard.hop_s + FRAME_CENTRE_S
    beside = [curve.at(centre_s + shift) > 0 for shift in (-0.04, 0.0, 0.04)]
    sure = np.isfinite(heard.pitch) & np.logical_and.reduce(beside)
    assert sure.sum() > 60
    annotated_pitch = 69 + 12 * np.log2(curve.at(centre_s[sure]) / 440)
    return np.abs(100 * (heard.pitch[sure] - annotated_pitch))


@pytest.mark.parametrize(
    ("tonic", "tempo", "in_time"), [(0, 97.0, False), (3, 90.0, True), (10, 113.0, True)]
)
def test_a_placed_voice_has_the_pitch_that_is_written(
    tonic: int, tempo: float, in_time: bool
) -> None:
    voice = sung(tonic)
    phrases = cut_phrases(voice.samples, sample_rate=RATE, curve=voice.curve)
    assert len(phrases) == 4
    sound, curve = sing_phrases(
        plan_in(Key(tonic), tempo_bpm=tempo),
        itertools.cycle(phrases),
        Backing(doubled=False, harmony=False, in_time=in_time),
        np.random.default_rng(0),
        length=Length(20 * RATE, RATE),
    )
    assert curve is not None
    assert len(curve.times_s) == 4000
    off = heard_off(sound[0], curve)
    assert np.median(off) < MOST_CENTS / 2
    assert np.mean(off < MOST_CENTS) > 0.93
    # It is not the curve as it was: the voice was transposed.
    assert voice.curve is not None
    before, after = (np.median(c.f0_hz[c.f0_hz > 0]) for c in (voice.curve, curve))
    assert abs(12 * np.log2(after / before)) > 0.2
    silent = np.interp(np.arange(20 * RATE) / RATE, curve.times_s, curve.f0_hz) == 0
    level = np.sqrt(np.mean(sound[0][~silent] ** 2))
    assert np.sqrt(np.mean(sound[0][silent] ** 2)) < 0.1 * level


@pytest.mark.parametrize("factor", [0.93, 1.0, 1.07])
def test_a_stretched_glide_is_where_its_grains_came_from(factor: float) -> None:
    time_s = np.arange(2 * RATE) / RATE
    octaves = time_s / 2
    sound = np.sin(2 * np.pi * np.cumsum(200 * 2**octaves) / RATE).astype(np.float32)
    longer = stretch(sound, factor=factor, sample_rate=RATE)
    grid = np.arange(0.1, 2 * factor - 0.1, 0.01)
    curve = PitchCurve(grid, 200 * 2 ** (longer.origin_s(grid) / 2))
    off = heard_off(longer.samples, curve)
    assert np.mean(off < MOST_CENTS) > 0.95
    np.testing.assert_allclose(longer.origin_s(grid), grid / factor, atol=0.013)


def test_curves_are_read_between_their_points() -> None:
    curve = PitchCurve(np.array([0.0, 0.01, 0.02, 0.03, 0.2]), np.array([100.0, 200, 0, 300, 300]))
    asked = np.array([-0.01, 0.0, 0.005, 0.014, 0.016, 0.024, 0.026, 0.1, 0.2, 0.21])
    expected = [0.0, 100.0, 100 * np.sqrt(2), 200.0, 0.0, 0.0, 300.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(curve.at(asked), expected)
    octave = curve.resampled(12.0)
    np.testing.assert_allclose(octave.at(asked / 2), 2 * np.array(expected))
    np.testing.assert_allclose(curve.from_second(0.01).at(asked - 0.01), expected)
    assert not PitchCurve(np.zeros(0), np.zeros(0)).at(asked).any()


@pytest.mark.parametrize("text", ["", "0.0\n0.1\n", "0.1,5\n0.0,5\n", "0,-1\n1,2\n", "a,b\n"])
def test_what_is_no_curve_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a_f0.csv"
    assert read_curve(path.with_name("none.csv")) is None
    path.write_text(text)
    with pytest.raises(InputError, match=r"a_f0\.csv"):
        read_curve(path)


def annotated(folder: Path, *, seed: int = 1) -> Path:
    voice = sung(seed)
    path = write(folder / "singing" / "carla" / "carla_1.wav", 0.5 * voice.samples, rate=RATE)
    assert voice.curve is not None
    rows = zip(voice.curve.times_s, voice.curve.f0_hz, strict=True)
    pitch_file(path).write_text("".join(f"{t:.4f},{f0:.4f}\n" for t, f0 in rows))
    return path


def test_the_annotation_beside_a_recording_is_found(tmp_path: Path) -> None:
    path = annotated(tmp_path)
    voice = read_voice(path, np.random.default_rng(0), sample_rate=RATE)
    known = sung(1).curve
    assert voice.curve is not None
    assert known is not None
    np.testing.assert_allclose(voice.curve.f0_hz, known.f0_hz, atol=1e-4)
    path.with_name("carla_2.wav").write_bytes(path.read_bytes())
    again = read_voice(path.with_name("carla_2.wav"), np.random.default_rng(0), sample_rate=RATE)
    assert again.curve is None


def test_songs_of_annotated_singers_have_one_voice_and_its_pitch(
    sounds: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(sounds, folder)
    shutil.rmtree(folder / "singing" / "anna")
    path = annotated(folder)
    source = find_source(folder)
    known = 0
    for index in range(20):
        plan = make_plan(source, seed=5, index=index, length_s=8.0)
        random = np.random.default_rng(index)
        take = vocal_take(plan, source, random, length=Length(8 * RATE, RATE))
        if "singing/carla" in take.sources and take.sound.any():
            known += 1
            assert take.sources == ("singing/carla",)
            assert take.pitch is not None
            np.testing.assert_array_equal(take.sound[0], take.sound[1])
    assert known >= 2
    pitch_file(path).write_text("0,0\n1,0\n")
    assert find_source(folder).digest != source.digest


def test_a_phrase_without_annotation_leaves_the_pitch_unknown() -> None:
    voice = sung(2)
    phrases = cut_phrases(voice.samples, sample_rate=RATE, curve=voice.curve)
    mixed = itertools.cycle([phrases[0], Phrase(phrases[1].samples, phrases[1].track)])
    _, curve = sing_phrases(
        plan_in(Key(0), tempo_bpm=100.0),
        mixed,
        Backing(doubled=False, harmony=False, in_time=False),
        np.random.default_rng(0),
        length=Length(20 * RATE, RATE),
    )
    assert curve is None
