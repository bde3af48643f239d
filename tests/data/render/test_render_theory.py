"""Keys, chords, names of samples and of drums."""

from __future__ import annotations

import pytest

from unmixcli.data.render.chord_part import voicing
from unmixcli.data.render.names import parse_name
from unmixcli.data.render.pieces import PIECES, piece_of_midi, piece_of_name, piece_or_instead
from unmixcli.data.render.theory import (
    Chord,
    Key,
    chord_of_kind,
    diatonic_triad,
    key_of_fifths,
    nearest_pitch,
)


@pytest.mark.parametrize(
    ("fifths", "minor", "name"),
    [(0, False, "C major"), (2, False, "D major"), (-3, True, "C minor"), (6, False, "F# major")],
)
def test_signatures_name_their_key(fifths: int, minor: bool, name: str) -> None:
    assert key_of_fifths(fifths, minor=minor).name == name


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("tonic", range(12))
def test_diatonic_triads_stay_in_the_key(tonic: int, minor: bool) -> None:
    key = Key(tonic, minor)
    for degree in range(7):
        assert set(diatonic_triad(key, degree).tones) <= set(key.scale)


@pytest.mark.parametrize("near", [48.0, 55.3, 60.0, 71.9])
@pytest.mark.parametrize("kind", ["major", "minor-seventh", "dominant", "power", "never heard of"])
def test_voicings_hold_the_chord_about_a_pitch(kind: str, near: float) -> None:
    chord = chord_of_kind(7, kind)
    pitches = voicing(chord, near=near)
    assert {pitch % 12 for pitch in pitches} == set(chord.tones)
    assert all(abs(pitch - near) <= 6 for pitch in pitches)
    assert pitches == sorted(pitches)


def test_transposing_moves_every_tone() -> None:
    assert Chord(10, (0, 4, 7)).transposed(3).tones == (1, 5, 8)
    assert nearest_pitch(11, to=36) == 35


@pytest.mark.parametrize(
    ("stem", "pitch", "dynamic"),
    [
        ("CP80-Samples-060-C4-FF", 60, 0.9),
        ("Wurlitzer-ab2pp", 44, 0.2),
        ("sustain-gb3_p_rr2", 54, 0.35),
        ("AS2", 46, 0.75),
        ("G4S", 68, 0.75),
        ("note060-do", 60, 0.75),
        ("femalevoices_oo2_c6", 84, 0.75),
        ("alt_f_01", None, 0.75),
        ("pjs001_song", None, 0.75),
    ],
)
def test_names_tell_pitch_and_loudness(stem: str, pitch: int | None, dynamic: float) -> None:
    told = parse_name(stem)
    assert (told.pitch, told.dynamic) == (pitch, dynamic)


def test_names_tell_layers_classes_and_releases() -> None:
    assert parse_name("samples-linguine-bb3_vl2_rr1").layer == 2
    assert parse_name("finger-A#").pitch_class == 10
    assert parse_name("finger-F").pitch_class == 5
    assert parse_name("release-a2_rel_rr1").release
    names = {parse_name(f"finger-{note}").articulation for note in ("A", "F", "C#")}
    assert names == {"finger"}


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("KdrumL_v03", "kick"),
        ("kick-accent", "kick"),
        ("SnareRest_v01", None),
        ("Snare_v10", "snare"),
        ("tr505-hihat-closed", "hat_closed"),
        ("HihatOpen_v02", "hat_open"),
        ("RideLBell_v01", "bell"),
        ("RideL_v01", "ride"),
        ("tom-hh", "tom_high"),
        ("Tom4_v01", "tom_low"),
        ("China_v01", "crash"),
        ("stick-l", "rim"),
        ("cowb", "percussion"),
        ("hello", None),
    ],
)
def test_pieces_are_known_by_their_names(name: str, piece: str | None) -> None:
    assert piece_of_name(name) == piece


def test_midi_keys_name_pieces_and_kits_make_do() -> None:
    played = {piece_of_midi(key) for key in range(128)} - {None}
    assert played == set(PIECES)
    assert piece_or_instead("ride", {"hat_closed"}) == "hat_closed"
    assert piece_or_instead("kick", {"hat_closed"}) is None
