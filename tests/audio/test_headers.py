from __future__ import annotations

import io
import struct

import pytest

from unmixcli.audio import headers


def _wav(size: int, data: bytes, *, riff: int | None = None) -> io.BytesIO:
    chunks = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 1000, 2000, 2, 16)
    chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", size) + data
    return io.BytesIO(b"RIFF" + struct.pack("<I", riff or 4 + len(chunks)) + b"WAVE" + chunks)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"RF64\xff\xff\xff\xffWAVE", "wav"),
        (b"RIFF\0\0\0\0AVI ", "other"),
        (b"FORM\0\0\0\0AIFC", "aiff"),
        (b"fLaC\0\0\0\x22", "flac"),
        (b"OggS", "ogg"),
        (b"caff", "sound"),
        (b"ID3\4", "other"),
        (b"", "other"),
    ],
)
def test_the_first_bytes_decide(start: bytes, kind: str) -> None:
    assert headers.kind_of(io.BytesIO(start)) == kind


def test_a_complete_wav_promises_nothing() -> None:
    file = _wav(400, bytes(400))
    assert headers.promised_samples(file, kind="wav", sample_rate=1000) == 0


def test_a_short_wav_promises_what_its_header_says() -> None:
    file = _wav(4000, bytes(400))
    assert headers.promised_samples(file, kind="wav", sample_rate=1000) == 2000


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000])
def test_placeholders_promise_nothing(size: int) -> None:
    data = headers.wav_data(_wav(size, bytes(400), riff=0xFFFFFFFF))
    assert data is not None
    assert data.streamed
    assert data.promised_s is None


def test_the_long_size_of_rf64_counts() -> None:
    sizes = struct.pack("<QQQI", 0, 10_000_000_000, 0, 0)
    chunks = b"ds64" + struct.pack("<I", 28) + sizes
    chunks += b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 1000, 2000, 2, 16)
    file = io.BytesIO(b"RF64\xff\xff\xff\xffWAVE" + chunks + b"data\xff\xff\xff\xff" + bytes(9))
    assert headers.promised_samples(file, kind="wav", sample_rate=1000) == 5_000_000_000


def test_a_wav_without_data_is_survived() -> None:
    assert headers.wav_data(io.BytesIO(b"RIFF\4\0\0\0WAVE")) is None
    assert headers.wav_data(io.BytesIO(b"RI")) is None


def _page(flags: int, body: bytes) -> bytes:
    return b"OggS\0" + bytes([flags]) + bytes(20) + b"\1" + bytes([len(body)]) + body


def test_an_ogg_is_complete_when_its_last_page_says_so() -> None:
    whole = _page(2, b"head") + _page(0, b"x" * 100) + _page(4, b"y" * 100)
    assert headers.ogg_is_complete(io.BytesIO(whole))
    assert not headers.ogg_is_complete(io.BytesIO(whole[:-1]))
    assert not headers.ogg_is_complete(io.BytesIO(whole[: -len(_page(4, b"y" * 100))]))
    assert not headers.ogg_is_complete(io.BytesIO(b""))


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("long_size", [False, True])
def test_the_timescale_of_an_mp4(version: int, long_size: bool) -> None:
    times = bytes(16 if version else 8)
    mvhd = struct.pack(">I4sI", 108, b"mvhd", version << 24) + times + struct.pack(">I", 44100)
    before = struct.pack(">I4s", 12, b"ftyp") + b"M4A "
    if long_size:
        before += struct.pack(">I4sQ", 1, b"mdat", 36) + bytes(20)
    moov = struct.pack(">I4s", 200, b"moov") + mvhd.ljust(192, b"\0")
    assert headers.mp4_timescale(io.BytesIO(before + moov)) == 44100
    assert headers.mp4_timescale(io.BytesIO(before)) is None


def _mp3_frame(tag: bytes, *, version: int = 0xFB, encoder: bytes = b"") -> bytes:
    return (b"\xff" + bytes([version]) + b"\x90\x64" + bytes(32) + tag + encoder).ljust(600, b"\0")


@pytest.mark.parametrize(
    ("frame", "samples"),
    [
        (_mp3_frame(b"Xing\0\0\0\1\0\0\1\0"), 256 * 1152),
        (_mp3_frame(b"Info\0\0\0\1\0\0\1\0", version=0xF3), 256 * 576),
        (_mp3_frame(b"Info\0\0\0\2\0\0\1\0"), None),
        (_mp3_frame(b"\0\0\0\0\0\0\0\1\0\0\1\0"), None),
        (_mp3_frame(b"Info\0\0\0\1")[:41], None),
        (b"", None),
    ],
)
def test_an_info_tag_counts_the_samples(frame: bytes, samples: int | None) -> None:
    id3 = b"ID3\4\0\0\0\0\1\0" + b"Info\0\0\0\1" * 16
    for file in (frame, id3 + frame):
        assert headers.mp3_samples(io.BytesIO(file)) == samples


@pytest.mark.parametrize(("delay", "padding", "lost"), [(576, 1000, 1576), (0, 0, 529)])
def test_delay_and_padding_of_the_encoder_are_not_counted(delay, padding, lost) -> None:
    info = b"Info\0\0\0\x0f" + (100).to_bytes(4, "big") + bytes(4 + 100 + 4)
    encoder = b"LAME3.100" + bytes(12) + (delay << 12 | padding).to_bytes(3, "big")
    frame = _mp3_frame(info, encoder=encoder)
    assert headers.mp3_samples(io.BytesIO(frame)) == 115200 - lost
