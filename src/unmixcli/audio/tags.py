# mypy: allow-untyped-calls
"""Title, artist, cover and the other tags that a stem takes over from its song.

One set of field names (those of Vorbis comments, lower case) stands for the ID3 frames, MP4
atoms, Vorbis comments and ASF attributes of the same meaning. ReplayGain is left out: a stem has
another level than its song. Tags that cannot be read count as none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mutagen
from mutagen.aiff import AIFF
from mutagen.asf import ASFTags
from mutagen.flac import FLAC
from mutagen.flac import Picture as FlacPicture
from mutagen.id3 import APIC, COMM, ID3, Frames
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm, MP4Tags
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "albumartist": "TPE2",
    "date": "TDRC",
    "genre": "TCON",
    "tracknumber": "TRCK",
    "discnumber": "TPOS",
    "composer": "TCOM",
    "copyright": "TCOP",
    "bpm": "TBPM",
    "isrc": "TSRC",
    "initialkey": "TKEY",
}

_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "albumartist": "aART",
    "date": "\xa9day",
    "genre": "\xa9gen",
    "composer": "\xa9wrt",
    "comment": "\xa9cmt",
    "copyright": "cprt",
}
_MP4_NUMBERS = {"tracknumber": "trkn", "discnumber": "disk"}
_MP4_FREE = {
    "isrc": "----:com.apple.iTunes:ISRC",
    "initialkey": "----:com.apple.iTunes:initialkey",
}

_VORBIS = {
    "title": ("title",),
    "artist": ("artist",),
    "album": ("album",),
    "albumartist": ("albumartist", "album artist"),
    "date": ("date", "year"),
    "genre": ("genre",),
    "tracknumber": ("tracknumber",),
    "discnumber": ("discnumber",),
    "composer": ("composer",),
    "comment": ("comment", "description"),
    "copyright": ("copyright",),
    "bpm": ("bpm", "tempo"),
    "isrc": ("isrc",),
    "initialkey": ("initialkey", "key"),
}
_VORBIS_TOTALS = {"tracknumber": ("tracktotal", "totaltracks"), "discnumber": ("disctotal",)}

_ASF = {
    "title": "Title",
    "artist": "Author",
    "album": "WM/AlbumTitle",
    "albumartist": "WM/AlbumArtist",
    "date": "WM/Year",
    "genre": "WM/Genre",
    "tracknumber": "WM/TrackNumber",
    "discnumber": "WM/PartOfSet",
    "composer": "WM/Composer",
    "comment": "Description",
    "copyright": "Copyright",
    "bpm": "WM/BeatsPerMinute",
    "isrc": "WM/ISRC",
    "initialkey": "WM/InitialKey",
}

FRONT_COVER = 3


@dataclass(frozen=True)
class Picture:
    """An embedded picture; ``kind`` as in ID3's APIC, 3 is the front cover."""

    mime: str
    data: bytes = field(repr=False)
    kind: int = FRONT_COVER
    description: str = ""


@dataclass(frozen=True)
class Tags:
    """Fields by name, each with one or more values, and pictures.

    Names are title, artist, album, albumartist, date, genre, tracknumber and discnumber
    ("3" or "3/12"), composer, comment, copyright, bpm, isrc and initialkey.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()

    def for_stem(self, stem: str, *, fallback_title: str = "") -> Tags:
        """The same tags with the title "Title (stem)"; without any title, the stem's name."""
        title = (self.fields.get("title") or (fallback_title,))[0]
        stem_title = f"{title} ({stem})" if title else stem
        return replace(self, fields={**self.fields, "title": (stem_title,)})


def read_tags(path: Path) -> Tags:
    """The tags of a file; none where it has none or where they are broken."""
    # mutagen answers damaged tags with many kinds of exception, and no tag is worth a track.
    try:
        audio = mutagen.File(path)
        tags = None if audio is None else audio.tags
        if isinstance(tags, ID3):
            return _from_id3(tags)
        if isinstance(tags, MP4Tags):
            return _from_mp4(tags)
        if isinstance(tags, ASFTags):
            return Tags(_cleaned({name: tags.get(key, []) for name, key in _ASF.items()}))
        if isinstance(audio, FLAC):
            return _from_vorbis(tags or {}, audio.pictures)
        if isinstance(audio, (OggVorbis, OggOpus)):
            return _from_vorbis(tags, _embedded_pictures(tags))
    except Exception:
        return Tags()
    return Tags()


def write_tags(path: Path, tags: Tags, *, extension: str | None = None) -> None:
    """Put tags into a finished WAV, AIFF, MP3, FLAC, Ogg, Opus or M4A file, in place.

    ``extension`` says what it is where its name does not. A cover that the container cannot
    hold (M4A holds JPEG and PNG) is left out. Raises ``mutagen.MutagenError`` where the file
    does not take them, ``ValueError`` for another extension.
    """
    kind = extension or path.suffix[1:].lower()
    if kind in ("wav", "aiff", "aif", "mp3"):
        _write_id3(path, tags, kind=kind)
    elif kind in ("flac", "ogg", "opus"):
        _write_vorbis(path, tags, kind=kind)
    elif kind == "m4a":
        _write_mp4(path, tags)
    else:
        raise ValueError(f"no tags are written to .{kind}")


def _cleaned(fields: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    texts = {
        name: tuple(text for text in (str(value).strip("\0 ") for value in values) if text)
        for name, values in fields.items()
    }
    return {name: values for name, values in texts.items() if values}


def _from_id3(tags: ID3) -> Tags:
    fields = {name: tags[frame].text for name, frame in _ID3.items() if frame in tags}
    # Comments with a description are notes of programs, such as iTunNORM.
    fields["comment"] = [text for c in tags.getall("COMM") if not c.desc for text in c.text]
    pictures = tuple(Picture(p.mime, p.data, int(p.type), p.desc) for p in tags.getall("APIC"))
    return Tags(_cleaned(fields), pictures)


def _write_id3(path: Path, tags: Tags, *, kind: str) -> None:
    audio: Any = {"wav": WAVE, "mp3": MP3}.get(kind, AIFF)(path)
    if audio.tags is None:
        audio.add_tags()
    for name, values in tags.fields.items():
        if name in _ID3:
            audio.tags.add(Frames[_ID3[name]](encoding=3, text=list(values)))
    if "comment" in tags.fields:
        audio.tags.add(COMM(encoding=3, lang="eng", desc="", text=list(tags.fields["comment"])))
    for number, picture in enumerate(tags.pictures):
        # Frames of equal description replace each other.
        description = picture.description or (str(number) if number else "")
        audio.tags.add(APIC(3, picture.mime, picture.kind, description, picture.data))
    audio.save()


def _from_vorbis(tags: Any, pictures: list[FlacPicture]) -> Tags:
    def first(names: tuple[str, ...]) -> list[str]:
        return next((list(tags[name]) for name in names if name in tags), [])

    fields = {name: first(aliases) for name, aliases in _VORBIS.items()}
    for name, aliases in _VORBIS_TOTALS.items():
        total = first(aliases)
        if total and fields[name] and "/" not in fields[name][0]:
            fields[name] = [f"{fields[name][0]}/{total[0]}"]
    found = tuple(Picture(p.mime, p.data, int(p.type), p.desc) for p in pictures)
    return Tags(_cleaned(fields), found)


def _embedded_pictures(tags: Any) -> list[FlacPicture]:
    encoded = tags.get("metadata_block_picture", [])
    return [FlacPicture(base64.b64decode(text)) for text in encoded]


def _write_vorbis(path: Path, tags: Tags, *, kind: str) -> None:
    audio: Any = {"flac": FLAC, "ogg": OggVorbis}.get(kind, OggOpus)(path)
    if audio.tags is None:
        audio.add_tags()
    for name, values in tags.fields.items():
        audio.tags[name] = list(values)
    for name, (total_name, *_) in _VORBIS_TOTALS.items():
        number, slash, total = tags.fields.get(name, ("",))[0].partition("/")
        if slash:
            audio.tags[name], audio.tags[total_name] = [number], [total]
    pictures = [_flac_picture(picture) for picture in tags.pictures]
    if kind == "flac":
        for picture in pictures:
            audio.add_picture(picture)
    elif pictures:
        texts = [base64.b64encode(picture.write()).decode("ascii") for picture in pictures]
        audio.tags["metadata_block_picture"] = texts
    audio.save()


def _flac_picture(picture: Picture) -> FlacPicture:
    block = FlacPicture()
    block.mime, block.data = picture.mime, picture.data
    block.type, block.desc = picture.kind, picture.description
    return block


def _from_mp4(tags: MP4Tags) -> Tags:
    fields: dict[str, list[Any]] = {n: tags[key] for n, key in _MP4.items() if key in tags}
    for name, key in _MP4_NUMBERS.items():
        pairs = tags.get(key, [])
        fields[name] = [f"{number}/{total}" if total else f"{number}" for number, total in pairs]
    for name, key in _MP4_FREE.items():
        fields[name] = [bytes(value).decode("utf-8", "replace") for value in tags.get(key, [])]
    fields["bpm"] = tags.get("tmpo", [])
    mimes = {MP4Cover.FORMAT_JPEG: "image/jpeg", MP4Cover.FORMAT_PNG: "image/png"}
    covers = [(mimes.get(cover.imageformat), bytes(cover)) for cover in tags.get("covr", [])]
    return Tags(_cleaned(fields), tuple(Picture(mime, data) for mime, data in covers if mime))


def _write_mp4(path: Path, tags: Tags) -> None:
    audio: Any = MP4(path)
    if audio.tags is None:
        audio.add_tags()
    for name, values in tags.fields.items():
        _set_mp4(audio.tags, name, values)
    formats = {"image/jpeg": MP4Cover.FORMAT_JPEG, "image/png": MP4Cover.FORMAT_PNG}
    covers = [MP4Cover(p.data, formats[p.mime]) for p in tags.pictures if p.mime in formats]
    if covers:
        audio.tags["covr"] = covers
    audio.save()


def _set_mp4(target: Any, name: str, values: tuple[str, ...]) -> None:
    if name in _MP4:
        target[_MP4[name]] = list(values)
    elif name in _MP4_FREE:
        target[_MP4_FREE[name]] = [MP4FreeForm(value.encode()) for value in values]
    elif name in _MP4_NUMBERS:
        number, _, total = values[0].partition("/")
        if number.isdecimal():
            target[_MP4_NUMBERS[name]] = [(int(number), int(total) if total.isdecimal() else 0)]
    elif name == "bpm" and values[0].replace(".", "", 1).isdecimal():
        target["tmpo"] = [round(float(values[0]))]
