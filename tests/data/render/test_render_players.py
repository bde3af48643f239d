"""Sampler, drum kit and synthesizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.render.sounds_for_tests import RATE, tone, write
from unmixcli.data.render.kit import Kit
from unmixcli.data.render.notes import Audio, Hit, Note, frequency_hz
from unmixcli.data.render.recordings import one_shot, shifted
from unmixcli.data.render.sample_set import Sample, SampleSet, articulations, load_sample_set
from unmixcli.data.render.sampler import Sampler
from unmixcli.data.render.synth import Patch, play_patch, random_bass, random_keys, random_pad
from unmixcli.data.render.synth_kit import synth_kit
from unmixcli.data.render.tracker import track_pitch


def loudest_hz(sound: Audio, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 20))
    return float(spectrum.argmax() * rate / (1 << 20))


def cents(found_hz: float, pitch: float) -> float:
    return 1200 * float(np.log2(found_hz / frequency_hz(pitch)))


def test_the_nearest_pitch_and_layer_is_chosen() -> None:
    paths = {name: Path(name) for name in ("c p", "c f", "c f2", "g p", "g f")}
    instrument = SampleSet(
        "test",
        (
            Sample(paths["c p"], 48.0, 0.35),
            Sample(paths["c f"], 48.0, 0.75),
            Sample(paths["c f2"], 48.0, 0.75),
            Sample(paths["g p"], 55.0, 0.35),
            Sample(paths["g f"], 55.0, 0.75),
        ),
    )
    assert instrument.choose(50, 0.2).path == paths["c p"]
    assert instrument.choose(52, 0.9).path == paths["g f"]
    assert instrument.choose(80, 0.5).path == paths["g p"]
    taken = [instrument.choose(47, 0.8, turn=turn).path for turn in range(4)]
    assert taken == [paths["c f"], paths["c f2"]] * 2


@pytest.mark.parametrize("pitch", [55.0, 57.0, 60.5, 64.0, 67.2])
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_sine_is_shifted_to_the_note(tmp_path: Path, pitch: float, rate: int) -> None:
    path = write(tmp_path / "c4.flac", tone(60, 1.0, harmonics=1))
    player = Sampler(SampleSet("sine", (Sample(path, 60.0, 0.75),)), sample_rate=rate)
    sound = player.play([Note(0.25, 0.5, pitch, 1.0)], samples=rate)
    assert sound.shape == (2, rate)
    assert not sound[:, : round(0.24 * rate)].any()
    assert not sound[:, round(0.85 * rate) :].any()
    held = sound[0, round(0.3 * rate) : round(0.7 * rate)]
    assert abs(cents(loudest_hz(held, rate), pitch)) < 5


def test_louder_notes_are_louder(tmp_path: Path) -> None:
    path = write(tmp_path / "c4.flac", tone(60, 1.0))
    player = Sampler(SampleSet("sine", (Sample(path, 60.0, 0.75),)), sample_rate=RATE)
    soft, loud = (player.note(Note(0, 0.5, 60, velocity)) for velocity in (0.25, 1.0))
    np.testing.assert_allclose(8 * soft, loud, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shift", [-12.0, 0.0, 12.0, -11.6, 0.4])
def test_octaves_and_tuning_of_names_are_checked_by_listening(tmp_path: Path, shift: float) -> None:
    names = {48: "c3", 52: "e3", 55: "g3", 60: "c4"}
    for pitch, name in names.items():
        write(tmp_path / f"sus_{name}_f_rr1.flac", tone(pitch + shift, 1.5))
    groups = articulations(sorted(tmp_path.iterdir()))
    assert list(groups) == ["sus"]
    found = load_sample_set("sus", groups["sus"])
    assert found is not None
    expected = [pitch + shift for pitch in names]
    np.testing.assert_allclose([s.pitch for s in found.samples], expected, atol=0.05)


def test_a_noisy_articulation_is_tuned_like_its_folder(tmp_path: Path) -> None:
    for pitch, name in {48: "c3", 52: "e3", 55: "g3", 60: "c4"}.items():
        write(tmp_path / f"sus_{name}.flac", tone(pitch - 12, 1.5))
        noise = np.random.default_rng(pitch).standard_normal(RATE).astype(np.float32)
        write(tmp_path / f"mute_{name}.flac", 0.1 * noise)
    groups = articulations(sorted(tmp_path.iterdir()))
    found = load_sample_set("mute", groups["mute"])
    assert found is not None
    np.testing.assert_allclose([s.pitch for s in found.samples], [36, 40, 43, 48], atol=0.05)


def test_samples_without_pitches_in_their_names_are_listened_to(tmp_path: Path) -> None:
    for number in range(13):
        write(tmp_path / f"sax_{number:02d}.flac", tone(50.3 + number, 0.8))
    groups = articulations(sorted(tmp_path.iterdir()))
    found = load_sample_set("sax", groups["sax"])
    assert found is not None
    np.testing.assert_allclose([s.pitch for s in found.samples], 50.3 + np.arange(13), atol=0.05)


def test_small_groups_and_releases_are_no_instruments(tmp_path: Path) -> None:
    for name in ("rel_c3_rr1", "rel_d3_rr1", "rel_e3_rr1", "pad_c3", "pad_d3", "shaker1"):
        write(tmp_path / f"{name}.flac", tone(50, 0.2))
    assert articulations(sorted(tmp_path.iterdir())) == {}


def test_recordings_lose_offset_and_silence_before_the_sound(tmp_path: Path) -> None:
    sound = np.concatenate([np.zeros(RATE // 4, np.float32), tone(60, 1.0)]) * 0.5 + 0.01
    cleaned, rate = one_shot(write(tmp_path / "a.flac", sound.astype(np.float32)), longest_s=9.0)
    assert rate == RATE
    assert np.abs(cleaned).max() == pytest.approx(1.0, abs=0.05)
    assert abs(float(cleaned[:, RATE // 2 :].mean())) < 1e-3
    assert cleaned.shape[1] < 1.1 * RATE


def test_an_octave_up_is_half_as_long() -> None:
    sound = tone(60, 1.0)
    assert len(shifted(sound, semitones=12, from_rate=RATE, to_rate=RATE)) == pytest.approx(
        RATE / 2, abs=2
    )
    assert shifted(sound, semitones=0, from_rate=RATE, to_rate=RATE) is sound


def kit_files(folder: Path) -> list[Path]:
    for layer in (1, 2, 3, 4):
        write(folder / f"Snare_v{layer:02d}.flac", tone(40 + layer, 0.3))
    for name in ("kick", "hat-open_hihat-open", "hihat-closed"):
        write(folder / f"{name}.flac", np.ones(RATE, np.float32) * 0.5)
    return sorted(folder.iterdir())


def test_kits_choose_layers_by_velocity(tmp_path: Path) -> None:
    kit = Kit.of_files(kit_files(tmp_path), sample_rate=RATE)
    assert kit.pieces == {"snare", "kick", "hat_open", "hat_closed"}
    chosen = [Path(kit.choose("snare", velocity)).name for velocity in (0.1, 0.4, 0.6, 1.0)]
    assert chosen == [f"Snare_v{layer:02d}.flac" for layer in (1, 2, 3, 4)]


def test_hits_sound_when_they_are_struck(tmp_path: Path) -> None:
    kit = Kit.of_files(kit_files(tmp_path), sample_rate=RATE)
    sound = kit.play([Hit(0.5, "snare", 0.9), Hit(1.25, "snare", 0.9)], samples=2 * RATE)
    starts = [int(np.flatnonzero(sound[0, at:])[0]) + at for at in (0, RATE)]
    np.testing.assert_allclose(np.array(starts) / RATE, [0.5, 1.25], atol=0.003)


@pytest.mark.parametrize(
    ("piece", "ender", "damped"),
    [("hat_open", "hat_closed", True), ("ride", "ride", True), ("crash", "ride", False)],
)
def test_hats_and_cymbals_do_not_pile_up(piece: str, ender: str, damped: bool) -> None:
    sounds = {"hat_closed": np.zeros((1, 9), np.float32), "ride": np.zeros((1, 9), np.float32)}
    sounds[piece] = np.ones((1, RATE), np.float32)
    kit = Kit.of_sounds(sounds, sample_rate=RATE)
    first, second = Hit(0.0, piece, 1.0), Hit(0.3, ender, 1.0)
    alone, after = (kit.play([hit], samples=RATE) for hit in (first, second))
    left = (kit.play([first, second], samples=RATE) - after)[:, round(0.65 * RATE) :]
    assert alone[:, round(0.9 * RATE)].all()
    assert bool(np.abs(left).max() < 1e-6) == damped


@pytest.mark.parametrize("wave", ["saw", "square", "triangle"])
@pytest.mark.parametrize("pitch", [33.0, 60.0, 84.0])
def test_the_synthesizer_is_in_tune(wave: str, pitch: float) -> None:
    note = Note(0.0, 0.9, pitch, 1.0)
    sound = play_patch([note], Patch(wave=wave, dark=1), samples=44100, sample_rate=44100)
    assert abs(cents(loudest_hz(sound[0], 44100), pitch)) < 3


def test_drawn_sounds_are_finite_and_start_with_the_note() -> None:
    random = np.random.default_rng(2)
    for draw in (random_bass, random_pad, random_keys):
        sound = play_patch([Note(0.1, 0.3, 50, 0.8)], draw(random), samples=9000, sample_rate=RATE)
        assert np.isfinite(sound).all()
        assert sound.any()
        assert not sound[:, : round(0.1 * RATE)].any()


def test_the_drum_machine_has_what_a_groove_needs() -> None:
    kit = synth_kit(np.random.default_rng(0), sample_rate=RATE)
    assert {"kick", "snare", "hat_closed", "hat_open", "crash", "ride"} <= kit.pieces
    sound = kit.play([Hit(0.0, piece, 1.0) for piece in sorted(kit.pieces)], samples=RATE)
    assert np.isfinite(sound).all()


@pytest.mark.parametrize("pitch", [36.0, 45.4, 57.0, 69.0, 76.8])
def test_the_tracker_finds_a_tone_within_five_cents(pitch: float) -> None:
    track = track_pitch(tone(pitch, 1.0), sample_rate=RATE, lowest_hz=40.0)
    assert abs(track.median - pitch) < 0.05


def test_the_tracker_finds_nothing_in_silence_and_little_in_noise() -> None:
    silence = track_pitch(np.zeros(RATE, np.float32), sample_rate=RATE)
    assert not np.isfinite(silence.pitch).any()
    assert np.isnan(silence.median)
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert np.isfinite(track_pitch(noise, sample_rate=RATE).pitch).mean() < 0.1
