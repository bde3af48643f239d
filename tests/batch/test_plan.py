"""Names: the template, the mirrored tree, what file systems refuse, and collisions."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath

import pytest

from unmixcli.batch.inputs import InputTrack
from unmixcli.batch.plan import DEFAULT_TEMPLATE, TrackPlan, plan_tracks
from unmixcli.errors import UsageError


def plan(*tracks: InputTrack, template: str = DEFAULT_TEMPLATE) -> list[TrackPlan]:
    return plan_tracks(
        tracks,
        outputs={"vocals": "flac", "karaoke": "flac"},
        folder=Path("out"),
        template=template,
        model="small",
    )


def track(path: str, folder: str = ".") -> InputTrack:
    return InputTrack(Path(path), PurePath(folder))


def test_files_of_several_kinds_need_their_extension() -> None:
    given = {"outputs": {"vocals": "wav", "vocals.f0": "csv"}, "folder": Path(), "model": "small"}
    with pytest.raises(UsageError, match=r"needs \{ext\}, for files of csv, wav"):
        plan_tracks([track("song.mp3")], template="{track}/{stem}.wav", **given)
    (made,) = plan_tracks([track("song.mp3")], template="{stem}.{ext}", **given)
    assert [path.name for path in made.outputs.values()] == ["vocals.wav", "vocals.f0.csv"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (DEFAULT_TEMPLATE, "out/deep/song/vocals.flac"),
        ("{track} ({stem}).{ext}", "out/deep/song (vocals).flac"),
        ("{model}/{dir}/{track}-{stem}.{ext}", "out/small/deep/song-vocals.flac"),
        ("{stem}/{track}.{source_ext}.{ext}", "out/deep/vocals/song.mp3.flac"),
    ],
)
def test_template(template: str, expected: str) -> None:
    (made,) = plan(track("music/deep/song.mp3", "deep"), template=template)
    assert made.outputs["vocals"] == Path(expected)
    assert all(path.is_relative_to(made.manifest.parent) for path in made.outputs.values())
    assert made.manifest.name == "song.unmix.json"


def test_each_output_has_its_extension() -> None:
    (made,) = plan_tracks(
        [track("song.mp3")],
        outputs={"vocals": "flac", "vocals.f0": "csv"},
        folder=Path("out"),
        template=DEFAULT_TEMPLATE,
        model="small",
    )
    assert list(made.outputs.values()) == [
        Path("out/song/vocals.flac"),
        Path("out/song/vocals.f0.csv"),
    ]


def test_dir_of_a_named_file_is_its_folder() -> None:
    (made,) = plan(track("a/song.mp3"), template="{dir}/{stem}.{ext}")
    assert made.outputs["vocals"] == Path("out/a/vocals.flac")


def test_stem_mp4_is_named_by_its_song() -> None:
    (made,) = plan(track("song.stem.mp4"))
    assert made.outputs["vocals"] == Path("out/song/vocals.flac")


@pytest.mark.parametrize("name", ["x" * 300, "ü" * 200, "🎵" * 80])
def test_long_names_are_shortened_and_stay_apart(name: str) -> None:
    first, second = plan(track(f"{name}1.wav"), track(f"{name}2.wav"))
    for made in (first, second):
        for path in (*made.outputs.values(), made.manifest):
            assert all(len(part.encode()) <= 255 - len(".12345678.part") for part in path.parts)
        assert made.manifest.name.endswith(".unmix.json")
    assert first.outputs["vocals"] != second.outputs["vocals"]


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{track:d}/{stem}",
        "{track!z}/{stem}",
        "{nothing}/{stem}",
        "{stem",
        "{track}.{ext}",
        "/abs/{stem}.{ext}",
        "a/../../{stem}",
        "{}",
    ],
)
def test_templates_that_are_refused(template: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        plan(track("song.mp3"), template=template)


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ".", ""])
def test_names_of_sums_that_are_no_file_names(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        plan_tracks(
            [track("song.mp3")], outputs={name: "wav"}, folder=Path("out"), template="{stem}.{ext}",
            model="small",
        )  # fmt: skip


def test_a_song_called_by_dots_stays_inside() -> None:
    (made,) = plan(track("...wav"))
    assert made.outputs["vocals"].parent.name not in {"..", "."}


def test_collision_names_both_songs_and_a_way_out() -> None:
    with pytest.raises(UsageError, match=r"a/song\.mp3 and b/song\.mp3 would both .*--name"):
        plan(track("a/song.mp3"), track("b/song.mp3"))


def test_names_that_differ_in_case_alone() -> None:
    tracks = track("Song.mp3"), track("song.mp3")
    if sys.platform == "darwin":
        with pytest.raises(UsageError):
            plan(*tracks)
    else:
        assert len(plan(*tracks)) == 2


def test_an_input_is_no_output() -> None:
    inside = track("out/song/vocals.flac"), track("song.wav")
    with pytest.raises(UsageError, match="is an input"):
        plan(*inside)


def test_an_input_behind_a_link_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    song = InputTrack(tmp_path / "real" / "vocals.flac")
    with pytest.raises(UsageError, match="is an input"):
        plan_tracks(
            [song], outputs={"vocals": "flac"}, folder=tmp_path / "link", template="{stem}.{ext}",
            model="small",
        )  # fmt: skip
