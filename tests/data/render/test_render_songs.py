"""Whole songs: their files, seeds, jobs, resuming, errors, and the command."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from data.render.sounds_for_tests import phrases_of, write
from unmixcli.cli.data import data_app
from unmixcli.data.render import (
    STEMS,
    RenderSettings,
    SongDone,
    find_source,
    render_song,
    render_songs,
)
from unmixcli.data.render import run as render_run
from unmixcli.data.render.activity import active_intervals
from unmixcli.data.render.licences import FILE, licences_of, user_licences
from unmixcli.data.render.mixing import PEAK
from unmixcli.data.tracks import load_stems, read_dataset, read_f0
from unmixcli.data.tracks.stem_folder import stem_folder_track
from unmixcli.errors import InputError, ResourceError, UsageError

SMALL = RenderSettings(songs=2, length_s=6.0, seed=11, sample_rate=22050, soundfonts=())


def rendered(sounds: Path, out: Path, settings: RenderSettings = SMALL, jobs: int = 1) -> list[str]:
    """Render and return the paths and hashes of all files."""
    done = render_songs(sounds, out, settings, jobs=jobs, listener=lambda song: None)
    assert [song.error for song in done] == [None] * settings.songs
    return [
        f"{path.relative_to(out)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(out.rglob("*"))
        if path.is_file()
    ]


def test_the_same_seed_gives_the_same_bytes_with_any_jobs(sounds: Path, tmp_path: Path) -> None:
    one = rendered(sounds, tmp_path / "one")
    assert len(one) >= 2 * 6
    assert rendered(sounds, tmp_path / "two", jobs=2) == one
    other = rendered(sounds, tmp_path / "other", replace(SMALL, seed=12, songs=1))
    # Stems that are silent in both are alike, and so is the pitch of silent vocals.
    alike = {line.split()[1] for line in other} & {line.split()[1] for line in one}
    assert len(alike) <= 3


def test_a_song_does_not_depend_on_how_many_there_are(sounds: Path, tmp_path: Path) -> None:
    first = rendered(sounds, tmp_path / "a", replace(SMALL, songs=1))
    assert set(first) <= set(rendered(sounds, tmp_path / "b"))


def test_readers_find_the_stems_and_their_sum_is_the_mix(sounds: Path, tmp_path: Path) -> None:
    rendered(sounds, tmp_path / "out", replace(SMALL, songs=1))
    track = read_dataset(tmp_path / "out").tracks[0]
    assert set(track.stems) == set(STEMS)
    stems, rate = load_stems(track)
    song = render_song(find_source(sounds, exclude=SMALL.exclude), SMALL, 0)
    assert rate == SMALL.sample_rate
    assert stems["mix"].shape == (2, SMALL.samples)
    mix = np.sum(list(song.stems.values()), axis=0)
    # Four stems, each rounded to 16 bits.
    np.testing.assert_allclose(stems["mix"], mix, atol=4 * 0.51 / 32768)
    assert np.abs(mix).max() <= PEAK * 1.0001


@pytest.mark.parametrize("index", range(6))
def test_every_song_sounds_in_its_sections(sounds: Path, index: int) -> None:
    source = find_source(sounds, exclude=SMALL.exclude)
    settings = replace(SMALL, length_s=20.0)
    song = render_song(source, settings, index)
    players = {player for section in song.plan.sections for player in section.players}
    for name, player in (("drums", "drums"), ("bass", "bass"), ("vocals", "voice")):
        assert song.stems[name].shape == (2, settings.samples)
        assert np.isfinite(song.stems[name]).all()
        assert song.stems[name].any() == (player in players)
        assert bool(song.sources[name]) == (player in players)


def test_activity_is_that_of_the_files(sounds: Path, tmp_path: Path) -> None:
    rendered(sounds, tmp_path, replace(SMALL, songs=1))
    folder = next(tmp_path.iterdir())
    lines = (folder / "activity.csv").read_text().splitlines()[1:]
    for name in STEMS:
        samples, rate = soundfile.read(folder / f"{name}.flac", dtype="float32")
        told = [tuple(map(float, line.split(",")[:2])) for line in lines if line.endswith(name)]
        expected = active_intervals(samples.T, sample_rate=rate)
        assert len(told) == len(expected)
        np.testing.assert_allclose(np.array(told), np.array(expected), atol=1e-4)


def test_pitch_is_written_where_it_is_known_and_only_there(sounds: Path, tmp_path: Path) -> None:
    settings = replace(SMALL, songs=12, length_s=10.0)
    rendered(sounds, tmp_path, settings)
    known = 0
    for folder in sorted(tmp_path.iterdir()):
        told = json.loads((folder / "track.json").read_text())
        pitch = folder / "vocals_f0.csv"
        assert pitch.exists() == (told["sources"]["vocals"] in (["synthesis"], []))
        if pitch.exists():
            rows = np.loadtxt(pitch, delimiter=",")
            known += rows[:, 1].any()
            assert rows.shape == (2000, 2)
            assert rows[:, 1].max() < 1100
            track = replace(stem_folder_track(folder), annotations={"f0_csv": pitch})
            times_and_pitch = read_f0(track)
            assert times_and_pitch is not None
            np.testing.assert_array_equal(np.stack(times_and_pitch, axis=1), rows)
    assert known


def test_songs_tell_what_they_were_made_of(sounds: Path, tmp_path: Path) -> None:
    rendered(sounds, tmp_path, replace(SMALL, songs=1))
    told = json.loads((next(tmp_path.iterdir()) / "track.json").read_text())
    assert told["seed"] == 11
    assert told["samples"] == SMALL.samples
    assert 66 <= told["tempo_bpm"] <= 168
    assert told["key"].endswith(("major", "minor"))
    assert set(told["sources"]) == {*STEMS, "room"}
    for name in STEMS:
        assert list(told["players"][name]) == told["sources"][name]
        assert set(told["players"][name].values()) <= {"synthesis", "recordings"}
    used = {name.partition(":")[0] for names in told["sources"].values() for name in names}
    assert used <= set(told["licences"])


def test_licences_come_from_the_user_first(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('"bass/mine" = "CC0"\n"drums/muldjordkit" = "asked"\n')
    told = user_licences(tmp_path)
    used = ["bass/mine:finger", "drums/muldjordkit", "other/ganjo", "singing/who"]
    assert licences_of(used, told) == {
        "bass/mine": "CC0",
        "drums/muldjordkit": "asked",
        "other/ganjo": "CC0",
        "singing/who": "unknown",
    }
    (tmp_path / FILE).write_text("no toml")
    with pytest.raises(InputError, match=FILE):
        user_licences(tmp_path)


def test_finished_songs_stay_and_missing_ones_are_made(sounds: Path, tmp_path: Path) -> None:
    before = rendered(sounds, tmp_path)
    folders = sorted(tmp_path.iterdir())
    shutil.rmtree(folders[1])
    time = (folders[0] / "vocals.flac").stat().st_mtime_ns
    seen: list[SongDone] = []
    render_songs(sounds, tmp_path, SMALL, listener=seen.append)
    assert [(song.folder, song.kept) for song in seen] == [(folders[0], True), (folders[1], False)]
    assert (folders[0] / "vocals.flac").stat().st_mtime_ns == time
    assert rendered(sounds, tmp_path) == before


def test_songs_of_other_settings_are_not_touched(sounds: Path, tmp_path: Path) -> None:
    before = rendered(sounds, tmp_path)
    with pytest.raises(UsageError, match="other settings"):
        rendered(sounds, tmp_path, replace(SMALL, length_s=7.0))
    for number, missing in enumerate(("track.json", "vocals.flac")):
        (tmp_path / f"song-11-{number:05d}" / missing).unlink()
        with pytest.raises(UsageError, match=f"song-11-{number:05d}"):
            rendered(sounds, tmp_path, replace(SMALL, songs=number + 1))
        (tmp_path / f"song-11-{number:05d}").rename(tmp_path / f"away-{number}")
    assert len(before) - 2 == sum(path.is_file() for path in tmp_path.rglob("*"))


def test_a_song_that_fails_stops_no_other(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_render = render_run.render_song

    def failing(source: object, settings: RenderSettings, index: int) -> object:
        if index == 0:
            raise InputError("That file is damaged.")
        return true_render(source, settings, index)  # type: ignore[arg-type]

    monkeypatch.setattr(render_run, "render_song", failing)
    done = render_songs(sounds, tmp_path, SMALL, listener=lambda song: None)
    assert [song.error for song in done] == ["That file is damaged.", None]
    assert [path.name for path in tmp_path.iterdir()] == ["song-11-00001"]


def test_a_folder_that_cannot_be_written_says_so(sounds: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = render_songs(sounds, tmp_path / "file", SMALL, listener=lambda song: None)
    assert all("--out" in str(song.error) for song in done)
    assert issubclass(ResourceError, Exception)


@pytest.mark.parametrize(
    ("missing", "words"),
    [("drums", "drums/KIT"), ("bass", "bass/NAME"), ("singing", "singing/NAME")],
)
def test_what_a_source_lacks_is_named(
    sounds: Path, tmp_path: Path, missing: str, words: str
) -> None:
    source = tmp_path / "copy"
    shutil.copytree(sounds, source)
    shutil.rmtree(source / missing)
    with pytest.raises(InputError, match=words) as caught:
        find_source(source)
    assert str(source) in str(caught.value)
    with pytest.raises(InputError, match="does not exist"):
        find_source(tmp_path / "nowhere")


@pytest.mark.parametrize("missing", ["other", "scores", "impulses"])
def test_the_rest_may_be_missing(sounds: Path, tmp_path: Path, missing: str) -> None:
    source = tmp_path / "copy"
    shutil.copytree(sounds, source)
    shutil.rmtree(source / missing)
    song = render_song(find_source(source), SMALL, 0)
    assert all(stem.shape == (2, SMALL.samples) for stem in song.stems.values())


def test_sources_are_sorted_into_what_they_are(sounds: Path, tmp_path: Path) -> None:
    source_folder = tmp_path / "copy"
    shutil.copytree(sounds, source_folder)
    write(source_folder / "singing" / "solfege-gpl" / "a.flac", phrases_of([60]))
    write(source_folder / "songs" / "tune" / "vocals.flac", phrases_of([60]))
    write(source_folder / "songs" / "tune" / "drums.flac", phrases_of([60]))
    source = find_source(source_folder, exclude=SMALL.exclude)
    assert [files.name for files in source.singers] == ["singing/anna", "songs/tune"]
    assert [files.name for files in source.sung_samples] == ["singing/choir:choir aa"]
    assert [len(files.files) for files in source.others] == [8]
    assert len(source.sheets) == len(source.grooves) == len(source.impulses) == 1
    write(source_folder / "singing" / "two" / "anna_1.flac", phrases_of([60]))
    write(source_folder / "singing" / "two" / "bob_1.flac", phrases_of([60]))
    everything = find_source(source_folder)
    names = {files.name for files in everything.singers}
    assert {"singing/two:anna", "singing/two:bob"} <= names
    assert "singing/solfege-gpl" in [files.name for files in everything.singers]
    assert everything.digest != source.digest


def test_songs_do_not_land_among_the_sounds(sounds: Path) -> None:
    with pytest.raises(InputError, match="lies in"):
        render_songs(sounds, sounds / "out", SMALL, listener=lambda song: None)


@pytest.mark.parametrize(
    "settings",
    [
        {"songs": 0},
        {"songs": 1, "length_s": 0.5},
        {"songs": 1, "length_s": 1e9},
        {"songs": 1, "instrumentals": 1.1},
        {"songs": 1, "instrumentals": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--"):
        RenderSettings(**settings)  # type: ignore[arg-type]


def test_the_command_renders_and_tells(sounds: Path, tmp_path: Path) -> None:
    words = ["render", "--source", str(sounds), "--out", str(tmp_path / "o u t")]
    words += ["--songs", "2", "--seconds", "3", "--seed", "4"]
    first = CliRunner().invoke(data_app, words)
    assert first.exit_code == 0, first.output
    assert "1/2" in first.output
    assert "2 rendered, 0 kept, 0 failed" in first.output
    assert "0 rendered, 2 kept" in CliRunner().invoke(data_app, words).output


def test_the_command_exits_with_one_if_a_song_failed(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> object:
        raise InputError("That file is damaged.")

    monkeypatch.setattr(render_run, "render_song", failing)
    words = ["render", "--source", str(sounds), "--out", str(tmp_path), "--songs", "1"]
    code = CliRunner().invoke(data_app, words, standalone_mode=False).return_value
    assert code == 1


def test_the_command_takes_sound_fonts_or_none(sounds: Path, tmp_path: Path) -> None:
    words = ["render", "--source", str(sounds), "--out", str(tmp_path / "out"), "--songs", "1"]
    words += ["--seconds", "3", "--soundfont"]
    done = CliRunner().invoke(data_app, [*words, "none"])
    assert done.exit_code == 0, done.output
    (song,) = (tmp_path / "out").iterdir()
    assert "soundfont/" not in (song / "track.json").read_text(encoding="utf-8")
    wrong = CliRunner().invoke(data_app, [*words, str(tmp_path / "no.sf2")])
    assert isinstance(wrong.exception, UsageError | InputError)
    assert "no.sf2 cannot be read" in str(wrong.exception)


def test_the_command_renders_songs_without_a_voice(sounds: Path, tmp_path: Path) -> None:
    words = ["render", "--source", str(sounds), "--out", str(tmp_path / "out"), "--songs", "2"]
    words += ["--seconds", "12", "--soundfont", "none"]
    assert CliRunner().invoke(data_app, [*words, "--instrumentals", "1"]).exit_code == 0
    for song in (tmp_path / "out").iterdir():
        assert not soundfile.read(song / "vocals.flac")[0].any()
        assert soundfile.read(song / "other.flac")[0].any()
        made_from = json.loads((song / "track.json").read_text(encoding="utf-8"))["made_from"]
        assert made_from["instrumentals"] == 1.0
        # That nothing is sung is known exactly.
        times_s, f0_hz = np.loadtxt(song / "vocals_f0.csv", delimiter=",").T
        np.testing.assert_allclose(times_s, np.arange(2400) * 0.005, atol=1e-6)
        assert not f0_hz.any()
    # Songs of other settings are not touched.
    other = CliRunner().invoke(data_app, words)
    assert isinstance(other.exception, UsageError | InputError)


def test_what_is_to_be_left_out_must_be_there(sounds: Path, tmp_path: Path) -> None:
    words = ["render", "--source", str(sounds), "--out", str(tmp_path / "out"), "--songs", "1"]
    wrong = CliRunner().invoke(data_app, [*words, "--exclude", "no-such-singer"])
    assert isinstance(wrong.exception, UsageError)
    assert "no such folder" in str(wrong.exception)
    assert not (tmp_path / "out").exists()


def test_exclusions_are_added_to_those_that_always_hold(sounds: Path, tmp_path: Path) -> None:
    words = ["render", "--source", str(sounds), "--out", str(tmp_path / "out"), "--songs", "1"]
    words += ["--seconds", "3", "--soundfont", "none", "--exclude", "scores"]
    assert CliRunner().invoke(data_app, words).exit_code == 0
    (song,) = (tmp_path / "out").iterdir()
    made_from = json.loads((song / "track.json").read_text(encoding="utf-8"))["made_from"]
    assert made_from["exclude"] == ["solfege-gpl", "scores"]
