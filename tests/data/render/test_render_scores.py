"""Lead sheets, made-up tunes, drummers' performances, and the parts made of them."""

from __future__ import annotations

import io
import itertools
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.render.sounds_for_tests import BEAT, beat_bytes, score_bytes
from unmixcli.data.render.bass_part import bass_part
from unmixcli.data.render.chance import generator, pick_weighted
from unmixcli.data.render.chord_part import comping_part, pad_part
from unmixcli.data.render.drum_part import drum_part
from unmixcli.data.render.entries import find_entries
from unmixcli.data.render.grooves import is_fill, is_four_four, made_up_groove, read_groove
from unmixcli.data.render.melody_part import melody_part
from unmixcli.data.render.musicxml import read_lead_sheet
from unmixcli.data.render.plan import Plan, Section, make_plan
from unmixcli.data.render.progressions import made_up_tune
from unmixcli.data.render.source import find_source

CHORDS = [("C", "major"), ("A", "minor"), ("F", "major"), ("G", "dominant")]
EVERYBODY = frozenset({"drums", "bass", "chords", "pad", "lead", "voice"})


def plan_of(tempo_bpm: float = 100.0, *, bars: int = 8) -> Plan:
    groove = read_groove(beat_bytes(), name=BEAT)
    sheet = read_lead_sheet(score_bytes(CHORDS), title="tune")
    assert groove is not None
    assert sheet is not None
    return Plan(
        title=sheet.title,
        key=sheet.key,
        tempo_bpm=tempo_bpm,
        length_s=bars * 240 / tempo_bpm,
        bars=tuple(sheet.bars[bar % 4] for bar in range(bars)),
        sections=(Section(0, bars, EVERYBODY, 0.5),),
        groove=groove,
        fill=None,
        origins=(),
    )


def test_lead_sheets_are_read_with_chords_and_melody() -> None:
    sheet = read_lead_sheet(score_bytes(CHORDS, fifths=-2, mode="minor"), title="tune")
    assert sheet is not None
    assert sheet.key.name == "G minor"
    assert [bar.chords[0][1].root for bar in sheet.bars] == [0, 9, 5, 7]
    assert sheet.bars[1].chords[0][1].tones == (9, 0, 4)
    assert [(n.beat, n.beats, n.pitch) for n in sheet.bars[0].melody] == [
        (beat, 1.0, 60) for beat in (0.0, 1.0, 2.0, 3.0)
    ]


def test_packed_lead_sheets_are_the_same() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("tune.xml", score_bytes(CHORDS))
    packed = read_lead_sheet(content.getvalue(), title="tune")
    assert packed == read_lead_sheet(score_bytes(CHORDS), title="tune")


@pytest.mark.parametrize(
    "content",
    [
        score_bytes(CHORDS, beats=3),
        score_bytes([("C", "")] * 8),
        score_bytes(CHORDS[:2]),
        b"no score at all",
        b"PK no archive",
        b"<score-partwise/>",
    ],
)
def test_what_is_no_tune_in_four_with_chords_is_none(content: bytes) -> None:
    assert read_lead_sheet(content, title="tune") is None


def test_a_bar_without_a_chord_goes_on_with_the_last_one() -> None:
    chords = [("C", "major"), ("F", ""), ("G", "major"), ("C", "major")]
    sheet = read_lead_sheet(score_bytes(chords), title="tune")
    assert sheet is not None
    assert [bar.chords[0][1].root for bar in sheet.bars] == [0, 0, 7, 0]


def test_an_upbeat_is_left_out() -> None:
    upbeat = (
        b"<measure number='0'><attributes><divisions>2</divisions></attributes>"
        b"<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"
        b"<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>"
        b"</measure>"
    )
    with_upbeat = score_bytes(CHORDS).replace(b"<part id='P1'>", b"<part id='P1'>" + upbeat)
    assert read_lead_sheet(with_upbeat, title="t") == read_lead_sheet(
        score_bytes(CHORDS), title="t"
    )


@pytest.mark.parametrize("seed", range(5))
def test_made_up_tunes_keep_to_their_key(seed: int) -> None:
    sheet = made_up_tune(np.random.default_rng(seed))
    assert len(sheet.bars) == 16
    pitches = [note.pitch for bar in sheet.bars for note in bar.melody]
    assert {pitch % 12 for pitch in pitches} <= set(sheet.key.scale)
    for bar in sheet.bars:
        assert max((n.beat + n.beats for n in bar.melody), default=0) <= 4.0


def test_grooves_have_beats_pieces_and_tempo() -> None:
    groove = read_groove(beat_bytes(bars=2, bpm=96), name=BEAT)
    assert groove is not None
    assert groove.tempo_bpm == pytest.approx(96, abs=1e-3)
    assert groove.bars == 2
    for bar in (0, 1, 7):
        strokes = groove.bar(bar)
        assert [s.beat for s in strokes if s.piece == "kick"] == [0.0, 2.0]
        assert [s.beat for s in strokes if s.piece == "snare"] == [1.0, 3.0]
        assert len([s for s in strokes if s.piece == "hat_closed"]) == 8


def test_what_is_no_midi_is_no_groove() -> None:
    assert read_groove(b"nothing", name="x") is None
    assert read_groove(b"", name="x") is None


@pytest.mark.parametrize(
    ("name", "four", "fill"),
    [("3_jazz_120_beat_3-4", False, False), ("9_rock_70_fill_4-4", True, True), ("b", True, False)],
)
def test_names_of_performances_tell_metre_and_kind(name: str, four: bool, fill: bool) -> None:
    assert (is_four_four(name), is_fill(name)) == (four, fill)


@pytest.mark.parametrize("tempo", [70.0, 100.0, 133.3])
def test_drums_are_hit_at_the_song_s_tempo(tempo: float) -> None:
    hits = drum_part(plan_of(tempo), np.random.default_rng(0))
    beat_s = 60 / tempo
    for piece, every, first in (("kick", 2, 0), ("snare", 2, 1), ("hat_closed", 0.5, 0)):
        times = [hit.start_s for hit in hits if hit.piece == piece]
        expected = (first + every * np.arange(len(times))) * beat_s
        assert len(times) == 32 / every
        np.testing.assert_allclose(times, expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_bass_lines_begin_bars_on_the_root(seed: int) -> None:
    plan = plan_of()
    notes = bass_part(plan, np.random.default_rng(seed))
    for bar, section in plan.bars_of("bass"):
        assert section.energy == 0.5
        first = min(notes, key=lambda note: abs(note.start_s - plan.second(bar)))
        assert first.start_s == pytest.approx(plan.second(bar), abs=0.03)
        assert first.pitch % 12 == plan.bars[bar].chords[0][1].root
    assert all(28 <= note.pitch <= 52 and 0 < note.velocity <= 1 for note in notes)


@pytest.mark.parametrize("seed", range(6))
def test_chords_are_those_of_their_bars(seed: int) -> None:
    plan = plan_of()
    random = np.random.default_rng(seed)
    for note in comping_part(plan, random, near=60) + pad_part(plan, near=62):
        bar = int((note.start_s + 1e-6) / plan.second(1))
        assert note.pitch % 12 in plan.bars[bar].chords[0][1].tones


def test_the_melody_is_sung_one_note_at_a_time() -> None:
    plan = plan_of()
    notes = melody_part(plan, np.random.default_rng(0), player="voice", near=55)
    assert len(notes) >= 31
    for note, after in itertools.pairwise(notes):
        assert note.start_s + note.length_s <= after.start_s + 1e-9
    assert {note.pitch % 12 for note in notes} == {0, 9, 5, 7}


def test_archives_and_files_are_one_list(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"one")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("deep/c.mid", b"two")
        archive.writestr("deep/c.txt", b"no")
    entries = find_entries(tmp_path, (".mid",))
    assert [(entry.name, entry.read()) for entry in entries] == [("a", b"one"), ("c", b"two")]
    assert find_entries(tmp_path / "none", (".mid",)) == ()


def test_plans_fill_the_song_and_follow_from_the_seed(sounds: Path) -> None:
    source = find_source(sounds)
    plans = [make_plan(source, seed=3, index=i, length_s=47.0) for i in (0, 0, 1, 2, 3)]
    assert plans[0] == plans[1] != plans[2]
    for plan in plans:
        assert plan.second(len(plan.bars)) >= 47.0 > plan.second(len(plan.bars) - 1)
        covered = [bar for s in plan.sections for bar in range(s.first_bar, s.first_bar + s.bars)]
        assert covered == list(range(len(plan.bars)))
        assert 66 <= plan.tempo_bpm <= 168


def test_an_instrument_plays_where_nobody_sings(sounds: Path) -> None:
    """Beside who plays the tune, the plan is the same as without instrumentals."""
    source = find_source(sounds)
    sung = [make_plan(source, seed=3, index=i, length_s=47.0) for i in range(40)]
    plans = [
        make_plan(source, seed=3, index=i, length_s=47.0, instrumentals=0.4) for i in range(40)
    ]
    changed = 0
    for plan, before in zip(plans, sung, strict=True):
        if plan == before:
            continue
        changed += 1
        for section, old in zip(plan.sections, before.sections, strict=True):
            swapped = old.players - {"voice"} | {"lead"}
            assert section.players == (swapped if "voice" in old.players else old.players)
        assert replace(plan, sections=before.sections) == before
        assert not any(plan.bars_of("voice"))
    assert 8 <= changed <= 24


def test_chance_follows_from_its_purpose_and_weights() -> None:
    assert generator(1, "a", 2).random() == generator(1, "a", 2).random()
    assert len({generator(1, "a", 2).random(), generator(1, "a2").random()}) == 2
    random = np.random.default_rng(0)
    drawn = [pick_weighted(random, [("a", 0.0), ("b", 1.0), ("c", 3.0)]) for _ in range(400)]
    assert "a" not in drawn
    assert drawn.count("c") == pytest.approx(300, abs=40)
    assert made_up_groove(random).bars == 1
