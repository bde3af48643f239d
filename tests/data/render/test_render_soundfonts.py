"""Sound fonts: which are found, what they are given to play, and, where one is there, its sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest

from unmixcli.data.render import RenderSettings, SoundFonts, find_soundfonts, find_source
from unmixcli.data.render import soundfonts as fonts_module
from unmixcli.data.render.chance import generator
from unmixcli.data.render.choir import choir_part, choir_take, has_choir
from unmixcli.data.render.general_midi import ROLES, choir_player, font_player, programs_of
from unmixcli.data.render.notes import Audio, Note
from unmixcli.data.render.plan import make_plan
from unmixcli.data.render.soundfonts import NO_FONTS, FontPlayer, Program, strokes
from unmixcli.data.render.store import player_of
from unmixcli.data.render.take import Length
from unmixcli.data.render.tracker import track_pitch
from unmixcli.errors import InputError, ResourceError

RATE = 22050
HEAD = b"RIFF\x04\x00\x00\x00sfbk"
INSTALLED = find_soundfonts(None)
needs_font = pytest.mark.skipif(
    not INSTALLED.files, reason="no fluidsynth or none of Debian's sound fonts is installed"
)


@pytest.fixture
def font(tmp_path: Path) -> Path:
    """A file that looks like a font and holds no sound."""
    path = tmp_path / "Small.sf2"
    path.write_bytes(HEAD)
    return path


def test_what_is_no_font_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "font.sf2"
    with pytest.raises(InputError, match=r"--soundfont .*font\.sf2"):
        find_soundfonts([path])
    path.write_bytes(b"RIFF\x00\x00\x00\x00WAVE")
    with pytest.raises(InputError, match=r"no sound font.*\.sf2 or \.sf3"):
        find_soundfonts([path])


def test_a_font_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "font.sf2"
    path.write_bytes(b"RIFF\x05\x00\x00\x00sfbk")
    with pytest.raises(InputError, match=r"font\.sf2 ends too early"):
        find_soundfonts([path])


def test_without_fluidsynth_only_fonts_that_are_asked_for_are_missed(
    font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts_module, "COMMAND", "no-such-command")
    assert find_soundfonts(None) == NO_FONTS
    assert find_soundfonts(()) == NO_FONTS
    with pytest.raises(ResourceError, match=r"Small\.sf2.*--soundfont"):
        find_soundfonts([font])


def test_fonts_and_their_player_change_what_songs_are_made_from(sounds: Path, font: Path) -> None:
    digests = [find_source(sounds).digest]
    digests.append(find_source(sounds, soundfonts=SoundFonts((font,), "2.3.1")).digest)
    digests.append(find_source(sounds, soundfonts=SoundFonts((font,), "2.4.0")).digest)
    font.write_bytes(HEAD + b"more")
    digests.append(find_source(sounds, soundfonts=SoundFonts((font,), "2.3.1")).digest)
    assert len(set(digests)) == 4
    settings = RenderSettings(songs=1)
    asked = replace(settings, soundfonts=(font,))
    assert settings.fingerprint() == asked.fingerprint()


def test_strokes_are_ends_before_beginnings_and_one_a_key() -> None:
    notes = [Note(0.0, 1.0, 60, 1.0), Note(0.5, 1.0, 60.2, 0.5), Note(1.5, 9.0, 64, 0.001)]
    notes.append(Note(5.0, 1.0, 64, 0.5))
    assert strokes(notes, end=20_000) == [
        (0, 127, 60),
        (5_000, 0, 60),
        (5_000, 64, 60),
        (15_000, 0, 60),
        (15_000, 1, 64),
        (20_000, 0, 64),
    ]


def test_a_part_is_a_midi_file_as_long_as_the_song(tmp_path: Path) -> None:
    path = tmp_path / "part.mid"
    notes = [Note(0.25, 0.5, 67, 0.8)]
    fonts_module._write_midi(notes, Program(25, "guitar"), path, length_s=3.0)
    file = mido.MidiFile(path)
    assert file.length == pytest.approx(3.0, abs=1e-3)
    told = [message for message in file if not message.is_meta]
    assert [message.type for message in told] == ["program_change", "note_on", "note_off"]
    assert told[0].program == 25
    assert told[1].time == pytest.approx(0.25, abs=1e-4)
    assert told[2].time == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("role", ROLES)
def test_styles_have_their_sounds(role: str) -> None:
    styles = ("rock", "jazz-swing", "funk", "latin-samba", "hiphop", "made up", "anything")
    chosen = {style: programs_of(f"1_{style}_100_beat_4-4", role) for style in styles}
    assert chosen["hiphop"] == chosen["made up"]
    assert len({tuple(programs) for programs in chosen.values()}) == 6
    families = {"bass": range(32, 40), "chords": range(96), "pad": range(96), "lead": range(96)}
    for programs in chosen.values():
        assert {program.number for program in programs} <= set(families[role])
        # Sampled choirs are voices, they do not play in the accompaniment.
        assert not {program.number for program in programs} & {52, 53}
        assert all(program.name for program in programs)


def test_players_follow_from_the_seed_and_need_a_font(sounds: Path, font: Path) -> None:
    plan = make_plan(find_source(sounds), seed=1, index=0, length_s=8.0)
    fonts = SoundFonts((font,), "2.3.1")
    drawn = [
        font_player(plan, fonts, generator(1, index), role="bass", share=0.5)
        for index in (*range(40), *range(40))
    ]
    assert drawn[:40] == drawn[40:]
    players = [player for player in drawn if player]
    assert 20 < len(players) < 60
    assert {player.name.partition(":")[0] for player in players} == {"soundfont/Small"}
    untouched = generator(1)
    assert font_player(plan, NO_FONTS, untouched, role="bass") is None
    assert choir_player(NO_FONTS, untouched) is None
    assert untouched.random() == generator(1).random()


def test_players_are_told_apart(sounds: Path, font: Path) -> None:
    source = find_source(sounds, soundfonts=SoundFonts((font,), "2.3.1"))
    assert player_of("soundfont/Small:Choir Aahs", source) == "fluidsynth 2.3.1"
    assert player_of("synthesis", source) == "synthesis"
    assert player_of("bass/sines", source) == "recordings"


def test_choirs_hold_the_chords_where_voices_sing(sounds: Path) -> None:
    source = find_source(sounds)
    for index in range(4):
        plan = make_plan(source, seed=2, index=index, length_s=20.0)
        notes = choir_part(plan, near=62.0)
        sung = {bar for bar, _ in plan.bars_of("voice")}
        for note in notes:
            bar = int((note.start_s + 1e-6) / plan.second(1))
            assert bar in sung
            assert note.pitch % 12 in {tone for _, _, c in plan.chords(bar) for tone in c.tones}
        loud = choir_part(plan, near=62.0, least_energy=0.8)
        assert set(loud) <= set(notes)


def test_sampled_choirs_are_recordings_of_the_source(sounds: Path) -> None:
    source = find_source(sounds)
    plans = [make_plan(source, seed=2, index=index, length_s=8.0) for index in range(4)]
    plan = next(plan for plan in plans if any(plan.bars_of("voice")))
    length = Length(8 * RATE, RATE)
    take = choir_take(plan, source, generator(1), length=length)
    assert take.sources == ("singing/choir:choir aa",)
    assert take.pitch is None
    assert np.any(take.sound)
    nobody = replace(source, sung_samples=())
    assert has_choir(source)
    assert not has_choir(nobody)
    silent = choir_take(plan, nobody, generator(1), length=length)
    assert silent.sources == ()
    assert not silent.sound.any()


def played(program: int, notes: list[Note], *, seconds: float = 2.0) -> Audio:
    player = FontPlayer(INSTALLED.files[0], Program(program, "x"))
    return player.play(notes, samples=round(seconds * RATE), sample_rate=RATE)


@needs_font
@pytest.mark.parametrize("pitch", [45, 57, 69])
def test_a_font_plays_the_note_when_it_is_written(pitch: int) -> None:
    sound = played(73 if pitch > 60 else 33, [Note(0.5, 0.8, pitch, 0.8)])
    assert sound.shape == (2, 2 * RATE)
    assert np.abs(sound[:, : round(0.49 * RATE)]).max() < 1e-4
    held = sound[0, round(0.6 * RATE) : round(1.2 * RATE)]
    assert abs(track_pitch(held, sample_rate=RATE).median - pitch) < 0.2


@needs_font
def test_the_same_notes_give_the_same_samples_and_louder_ones_more() -> None:
    soft, loud = ([Note(0.1, 0.7, 60, velocity)] for velocity in (0.3, 0.9))
    np.testing.assert_array_equal(played(0, loud), played(0, loud))
    assert np.abs(played(0, loud)).max() > 1.5 * np.abs(played(0, soft)).max()
    assert not played(0, []).any()


@needs_font
def test_choirs_of_fonts_sing_in_the_vocals(sounds: Path) -> None:
    source = replace(find_source(sounds), sung_samples=(), soundfonts=INSTALLED)
    plans = [make_plan(source, seed=2, index=index, length_s=4.0) for index in range(4)]
    plan = next(plan for plan in plans if any(plan.bars_of("voice")))
    take = choir_take(plan, source, generator(4), length=Length(4 * RATE, RATE))
    assert take.sources[0].partition(":")[2] in {"Choir Aahs", "Voice Oohs"}
    assert np.any(take.sound)
