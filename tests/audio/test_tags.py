from __future__ import annotations

from pathlib import Path

import mutagen
import numpy as np
import pytest
from mutagen.id3 import COMM, TIT2, TXXX

from unmixcli.audio.formats import CONTAINERS
from unmixcli.audio.read import read_audio
from unmixcli.audio.tags import Picture, Tags, read_tags, write_tags
from unmixcli.audio.write import write_audio

KINDS = (*CONTAINERS, "aiff")

FIELDS = {
    "title": ("Lied für Ümit 🎵",),
    "artist": ("One", "Two"),
    "album": ("Album",),
    "albumartist": ("Various",),
    "date": ("2021-03-04",),
    "genre": ("Jazz",),
    "tracknumber": ("3/12",),
    "discnumber": ("1/2",),
    "composer": ("Someone",),
    "comment": ("a comment",),
    "copyright": ("(c) us",),
    "bpm": ("121",),
    "isrc": ("DEA123456789",),
    "initialkey": ("F#m",),
}


@pytest.fixture
def audio(tmp_path: Path, noise, encode_sf):
    def make(kind: str, name: str = "a") -> Path:
        path = tmp_path / f"{name}.{kind}"
        if kind == "aiff":
            return encode_sf(path, noise(1, 9000), rate=44100, format="AIFF")
        write_audio(path, noise(1, 9000), 44100)
        return path

    return make


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_tags_and_cover_survive_from_any_format_to_any(audio, png, source, target) -> None:
    tags = Tags(FIELDS, (Picture("image/png", png),))
    first, second = audio(source, "first"), audio(target, "second")
    samples, _ = read_audio(second)
    write_tags(first, tags)
    carried = read_tags(first)
    assert carried == tags
    write_tags(second, carried)
    assert read_tags(second) == tags
    np.testing.assert_array_equal(read_audio(second)[0], samples)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_tags_has_none(audio, kind) -> None:
    assert read_tags(audio(kind)) == Tags()


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a", "wav"])
def test_broken_tags_count_as_none(audio, kind) -> None:
    path = audio(kind)
    write_tags(path, Tags(FIELDS))
    data = bytearray(path.read_bytes())
    at = data.find(b"Lied")
    data[max(0, at - 60) : at + 60] = b"\xff" * 120
    path.write_bytes(data)
    assert set(read_tags(path).fields) <= set(FIELDS)
    path.write_bytes(b"ID3\xff" + bytes(range(256)))
    assert read_tags(path) == Tags()
    assert read_tags(path.with_name("missing.mp3")) == Tags()


def test_replay_gain_and_notes_of_programs_stay_behind(audio) -> None:
    path = audio("mp3")
    id3 = mutagen.File(path)
    id3.add_tags()
    id3.tags.add(TIT2(encoding=3, text="Song"))
    id3.tags.add(TXXX(encoding=3, desc="replaygain_track_gain", text="-7 dB"))
    id3.tags.add(COMM(encoding=3, lang="eng", desc="iTunNORM", text="0000"))
    id3.save()
    assert read_tags(path) == Tags({"title": ("Song",)})


def test_other_spellings_of_vorbis_comments_are_understood(audio) -> None:
    path = audio("flac")
    flac = mutagen.File(path)
    written = {"YEAR": "1999", "Album Artist": "A", "TRACKNUMBER": "2", "TRACKTOTAL": "9"}
    flac.tags.update({**written, "KEY": "Am", "description": "d"})
    flac.save()
    expected = {"date": "1999", "albumartist": "A", "tracknumber": "2/9", "initialkey": "Am"}
    fields = {name: values[0] for name, values in read_tags(path).fields.items()}
    assert fields == {**expected, "comment": "d"}


def test_wma_tags_are_read(tmp_path, noise, encode_av) -> None:
    path = encode_av(tmp_path / "a.wma", noise(2, 44100), rate=44100, codec="wmav2")
    asf = mutagen.File(path)
    asf["Title"], asf["Author"], asf["WM/AlbumTitle"] = ["Song"], ["One", "Two"], ["Album"]
    asf.save()
    expected = {"title": ("Song",), "artist": ("One", "Two"), "album": ("Album",)}
    assert read_tags(path).fields == expected


def test_the_stem_stands_in_the_title() -> None:
    tags = Tags({"title": ("Song",), "artist": ("One",)})
    assert tags.for_stem("vocals").fields == {"title": ("Song (vocals)",), "artist": ("One",)}
    assert tags.fields["title"] == ("Song",)
    assert Tags().for_stem("bass", fallback_title="file").fields["title"] == ("file (bass)",)
    assert Tags().for_stem("bass").fields["title"] == ("bass",)


def test_several_pictures_are_kept(audio, png) -> None:
    pictures = tuple(Picture("image/png", png + bytes([n]), kind=3 + n) for n in range(3))
    for kind in ("mp3", "flac", "ogg", "opus", "wav"):
        path = audio(kind)
        write_tags(path, Tags({}, pictures))
        assert [(p.kind, p.data) for p in read_tags(path).pictures] == [
            (p.kind, p.data) for p in pictures
        ]


def test_odd_values_do_not_stop_an_m4a(audio) -> None:
    path = audio("m4a")
    odd = {"tracknumber": ("A1",), "bpm": ("fast",), "title": ("T",), "discnumber": ("2",)}
    write_tags(path, Tags(odd, (Picture("image/webp", b"x"),)))
    assert read_tags(path) == Tags({"title": ("T",), "discnumber": ("2",)})


def test_other_extensions_are_refused(audio) -> None:
    with pytest.raises(ValueError, match=r"\.txt"):
        write_tags(audio("wav"), Tags(), extension="txt")
