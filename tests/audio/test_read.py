from __future__ import annotations

import contextlib
import io
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unmixcli.audio.blocks import Block
from unmixcli.audio.read import (
    AUDIO_EXTENSIONS,
    count_audio_streams,
    open_audio,
    probe,
    read_audio,
    spool_stdin,
)
from unmixcli.audio.write import write_audio
from unmixcli.errors import InputError, ResourceError, TruncatedError, UsageError

RATE = 48000
SAMPLES = 4 * RATE + 123
NAMES = ("a.wav", "a.flac", "a.aiff", "a.ogg", "a.opus", "a.mp3", "a.m4a", "alac.m4a", "a.mka")
MP3_MODES = [("CONSTANT", 0.0), ("CONSTANT", 0.6), ("AVERAGE", 0.5), ("VARIABLE", 0.5)]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("songs")


@pytest.fixture
def song(songs: Path, noise, encode_av, encode_sf) -> Callable[[str], Path]:
    """A file of that name holding ``noise(2, SAMPLES)``, made once."""

    def make(name: str) -> Path:
        path = songs / name
        if path.exists():
            return path
        array = noise(2, SAMPLES)
        if name == "a.mka":
            return encode_av(path, array, rate=RATE, codec="flac")
        if name == "alac.m4a":
            return encode_av(path, array, rate=RATE, codec="alac")
        if name == "a.aiff":
            return encode_sf(path, array, rate=RATE, format="AIFF", subtype="PCM_16")
        write_audio(path, array, RATE)
        return path

    return make


@pytest.mark.parametrize("name", NAMES)
def test_files_line_up_with_their_source_to_the_sample(song, noise, lag, name: str) -> None:
    array = noise(2, SAMPLES)
    read, rate = read_audio(song(name))
    assert rate == RATE
    assert read.shape == array.shape
    assert read.dtype == np.float32
    assert lag(array, read) == 0
    error_db = 10 * np.log10(np.mean((read - array) ** 2) / np.mean(array**2))
    assert error_db < (-8 if name.split(".")[1] in ("mp3", "ogg", "opus", "m4a") else -70)


@pytest.mark.parametrize(("mode", "level"), MP3_MODES)
@pytest.mark.parametrize("rate", [44100, 22050, 8000])
def test_mp3_of_libsndfile(tmp_path, noise, lag, encode_sf, mode, level, rate) -> None:
    array = noise(2, 2 * rate + 77)
    settings = {"format": "MP3", "bitrate_mode": mode, "compression_level": level}
    path = encode_sf(tmp_path / "a.mp3", array, rate=rate, **settings)
    read, read_rate = read_audio(path)
    assert (read_rate, read.shape, lag(array, read)) == (rate, array.shape, 0)
    assert probe(path).samples == array.shape[1]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.opus", "libopus"), ("a.mp4", "alac")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_ffmpeg(tmp_path, noise, lag, encode_av, name, codec, channels) -> None:
    array = noise(channels, SAMPLES)
    read, rate = read_audio(encode_av(tmp_path / name, array, rate=RATE, codec=codec))
    assert (rate, read.shape, lag(array, read)) == (RATE, array.shape, 0)


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_an_mp4_says_its_length_only_where_it_counts_in_samples(
    tmp_path, noise, encode_av, codec
) -> None:
    array = noise(2, SAMPLES)
    for timescale, stated in ((RATE, SAMPLES), (1000, None)):
        options = {"movie_timescale": str(timescale)}
        path = tmp_path / f"{timescale}.m4a"
        encode_av(path, array, rate=RATE, codec=codec, options=options)
        assert probe(path).samples == stated
        assert read_audio(path)[0].shape[1] == SAMPLES


@pytest.mark.parametrize(("timescale", "tick"), [(RATE, 0), (1000, RATE // 1000)])
def test_the_edit_list_ends_an_mp4_whose_last_frame_counts_full(
    tmp_path, noise, encode_av, timescale, tick
) -> None:
    """As encoders other than FFmpeg's write it: every frame 1024 samples, the rest in elst."""
    options = {"movie_timescale": str(timescale)}
    path = encode_av(tmp_path / "a.m4a", noise(2, SAMPLES), rate=RATE, codec="aac", options=options)
    whole, _ = read_audio(path)
    data = bytearray(path.read_bytes())
    at = data.find(b"stts")
    count = struct.unpack(">I", data[at + 8 : at + 12])[0]
    last = at + 12 + 8 * (count - 1) + 4
    assert struct.unpack(">I", data[last : last + 4])[0] == SAMPLES % 1024
    data[last : last + 4] = struct.pack(">I", 1024)
    path.write_bytes(data)
    read, _ = read_audio(path)
    assert SAMPLES <= read.shape[1] <= SAMPLES + tick
    np.testing.assert_array_equal(read[:, :SAMPLES], whole)


@pytest.mark.parametrize(("name", "codec"), [("a.wma", "wmav2"), ("a.mkv", "aac"), ("a.ts", "aac")])
def test_containers_without_exact_counts_give_everything(
    tmp_path, noise, lag, encode_av, name, codec
) -> None:
    array = noise(2, SAMPLES)
    path = encode_av(tmp_path / name, array, rate=RATE, codec=codec)
    read, _ = read_audio(path)
    assert probe(path).samples is None
    late = lag(array, read)
    assert abs(late) in (0, 1024, 2048)
    assert read.shape[1] >= SAMPLES + late


@pytest.mark.parametrize("writer", ["libsndfile", "ffmpeg"])
def test_a_cover_in_front_of_an_mp3_changes_nothing(
    tmp_path, noise, encode_sf, encode_av, writer
) -> None:
    array = noise(2, RATE)
    path = tmp_path / "a.mp3"
    if writer == "ffmpeg":
        encode_av(path, array, rate=RATE, codec="libmp3lame")
    else:
        encode_sf(path, array, rate=RATE, format="MP3")
    bare, _ = read_audio(path)
    covered = tmp_path / "covered.mp3"
    size = 2_000_000
    head = b"APIC" + _syncsafe(size - 10) + b"\0\0" + b"\0image/png\0\3\0"
    # A cover is full of bytes that look like frames.
    body = head + b"\xff\xfb\x90\x00Xing" * ((size - len(head)) // 8)
    tag = b"ID3\4\0\0" + _syncsafe(size) + body.ljust(size, b"\0")
    covered.write_bytes(tag + path.read_bytes())
    read, _ = read_audio(covered)
    np.testing.assert_array_equal(read, bare)
    assert probe(covered).samples == RATE


def _syncsafe(size: int) -> bytes:
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))


def test_an_mp3_without_an_info_tag_is_decoded_to_its_end(tmp_path, noise, lag, encode_sf) -> None:
    array = noise(2, SAMPLES)
    settings = {"format": "MP3", "bitrate_mode": "CONSTANT"}
    tagged = encode_sf(tmp_path / "a.mp3", array, rate=RATE, **settings)
    data = tagged.read_bytes()
    bare = tmp_path / "bare.mp3"
    bare.write_bytes(data[data.find(data[:2], 100) :])
    read, _ = read_audio(bare)
    assert probe(bare).samples is None
    assert lag(array, read) == 1105
    assert read.shape[1] >= SAMPLES + 1105


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("start_s", "duration_s"), [(0.0, 0.5), (1.23457, 0.5), (3.9, 99.0)])
def test_start_and_duration_are_exact(song, name, start_s, duration_s) -> None:
    whole, rate = read_audio(song(name))
    start = round(start_s * rate)
    part, _ = read_audio(song(name), start_s=start_s, duration_s=duration_s)
    np.testing.assert_array_equal(part, whole[:, start : start + round(duration_s * rate)])


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
@pytest.mark.parametrize("block_samples", [1009, 44100, 10**6])
def test_blocks_are_the_whole_in_even_pieces(song, name, block_samples) -> None:
    whole, _ = read_audio(song(name))
    with open_audio(song(name), block_samples=block_samples) as reader:
        assert (reader.channels, reader.samples) == whole.shape
        blocks = list(reader.blocks())
    assert {block.shape[1] for block in blocks[:-1]} <= {block_samples}
    assert 0 < blocks[-1].shape[1] <= block_samples
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a"])
def test_memory_does_not_grow_with_length(tmp_path, name) -> None:
    def peak_of(seconds: int) -> int:
        path = tmp_path / f"{seconds}{name}"
        write_audio(path, np.zeros((2, seconds * 48000), np.float32), 48000)
        tracemalloc.start()
        with open_audio(path) as reader:
            assert sum(block.shape[1] for block in reader.blocks()) == seconds * 48000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_of(8)
    assert peak_of(40) < 1.2 * peak_of(8) + 200_000


@pytest.mark.parametrize("rate", [8000, 192000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_low_and_high_rates_just_work(tmp_path, noise, name, rate) -> None:
    array = noise(1, rate)
    write_audio(tmp_path / name, array, rate)
    read, read_rate = read_audio(tmp_path / name)
    assert read_rate == rate
    np.testing.assert_allclose(read, array, atol=2e-7)


@pytest.mark.parametrize("name", ["-rf.mp3", "concat:a.mp3", "two  spaces ü🎵.flac", "http:b.m4a"])
def test_names_are_never_anything_but_names(tmp_path, monkeypatch, noise, name) -> None:
    monkeypatch.chdir(tmp_path)
    write_audio(Path(name), noise(1, 5000), 44100)
    assert read_audio(Path(name))[0].shape == (1, 5000)


def test_content_decides_and_not_the_name(song, tmp_path) -> None:
    for name in ("a.flac", "a.mp3", "a.m4a"):
        renamed = tmp_path / "x.wav"
        shutil.copy(song(name), renamed)
        np.testing.assert_array_equal(read_audio(renamed)[0], read_audio(song(name))[0])


def test_info_says_what_the_file_is(song) -> None:
    info = probe(song("a.flac"))
    assert (info.sample_rate, info.channels, info.samples) == (RATE, 2, SAMPLES)
    assert (info.container, info.codec) == ("FLAC", "PCM_24")
    info = probe(song("a.m4a"))
    assert (info.container, info.codec, info.samples) == ("mov", "aac", SAMPLES)


# --- several streams, many channels, videos -----------------------------------------------------


def test_the_streams_of_a_stem_file_are_read_by_number(tmp_path, noise, lag, encode_av) -> None:
    stems = [noise(2, RATE, seed=seed) for seed in range(5)]
    path = encode_av(tmp_path / "song.stem.mp4", *stems, rate=RATE, codec="aac")
    assert count_audio_streams(path) == 5
    for number, stem in enumerate(stems):
        read, _ = read_audio(path, stream=number)
        assert (read.shape, lag(stem, read)) == (stem.shape, 0)
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(path, stream=0)[0])
    with pytest.raises(InputError, match="5 audio streams"):
        read_audio(path, stream=5)


def test_the_sound_of_a_video_is_read(tmp_path, noise, lag, encode_av) -> None:
    array = noise(2, RATE)
    path = encode_av(tmp_path / "a.mp4", array, rate=RATE, codec="aac", video=True)
    read, _ = read_audio(path)
    assert (read.shape, lag(array, read)) == (array.shape, 0)


def test_a_video_without_sound_and_a_picture_are_refused(tmp_path, encode_av, png) -> None:
    video = encode_av(tmp_path / "a.mp4", rate=RATE, codec="aac", video=True)
    assert count_audio_streams(video) == 0
    picture = tmp_path / "a.png"
    picture.write_bytes(png)
    for path in (video, picture):
        with pytest.raises(InputError, match="holds no sound"):
            open_audio(path)


@pytest.mark.parametrize("container", ["wav", "flac", "ogg"])
def test_more_than_two_channels_name_the_option(tmp_path, noise, encode_sf, container) -> None:
    array = noise(6, 10_000)
    array[3] *= 3
    # libsndfile writes channels as they come, and those of Vorbis come as L C R, surround, LFE.
    written = array[[0, 2, 1, 4, 5, 3]] if container == "ogg" else array
    quality = {"compression_level": 0.0} if container == "ogg" else {}
    path = encode_sf(tmp_path / f"a.{container}", written, rate=RATE, **quality)
    with pytest.raises(InputError, match=r"6 channels.*--downmix"):
        open_audio(path)
    read, _ = read_audio(path, downmix=True)
    sides = array[[0, 1]] + np.sqrt(0.5) * (array[[2]] + array[[4, 5]])
    expected = sides / (1 + 2 * np.sqrt(0.5))
    assert read.shape == (2, 10_000)
    error_db = 10 * np.log10(np.mean((read - expected) ** 2) / np.mean(expected**2))
    assert error_db < (-10 if container == "ogg" else -60)


def test_downmix_leaves_mono_and_stereo_alone(song) -> None:
    np.testing.assert_array_equal(
        read_audio(song("a.wav"), downmix=True)[0], read_audio(song("a.wav"))[0]
    )


# --- errors -------------------------------------------------------------------------------------


def _refused(path: Path, **how) -> str:
    with pytest.raises(InputError) as caught:
        read_audio(path, **how)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_is_no_audio_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    contents = {
        "empty.mp3": b"",
        "text.wav": b"".join(b"line %d of a text\n" % n for n in range(500)),
        "half.wav": b"RIFF",
        "page.mp3": b"<html><body>404</body></html>",
        "random.mp3": np.random.default_rng(1).bytes(50_000),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert "does not exist" in _refused(tmp_path / "none.wav")
    assert "is a folder" in _refused(tmp_path / "folder.wav")
    assert "empty (0 bytes)" in _refused(tmp_path / "empty.mp3")
    for name in ("text.wav", "half.wav", "page.mp3", "random.mp3"):
        assert "not a" in _refused(tmp_path / name)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch, song) -> None:
    def refuse(self: Path, *_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = song("a.wav")
    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in _refused(path)


@pytest.mark.parametrize("container", ["wav", "aiff", "ogg"])
def test_audio_of_no_length(tmp_path, encode_sf, container) -> None:
    empty = np.zeros((2, 0), np.float32)
    path = encode_sf(tmp_path / f"a.{container}", empty, rate=44100)
    assert "length is zero" in _refused(path)


def test_a_wav_of_no_length_with_tags_behind_it_is_not_noise(tmp_path, encode_sf) -> None:
    path = encode_sf(tmp_path / "a.wav", np.zeros((1, 0), np.float32), rate=44100)
    data = path.read_bytes() + b"id3 " + struct.pack("<I", 400) + b"\x55" * 400
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert "length is zero" in _refused(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_found_with_their_position(tmp_path, noise, encode_sf, bad) -> None:
    array = noise(2, 100_000)
    array[1, 80_000] = bad
    path = encode_sf(tmp_path / "a.wav", array, rate=40_000, subtype="FLOAT")
    assert "at 2.000 s" in _refused(path)
    assert "at 2.000 s" in _refused(path, start_s=1.5)
    assert read_audio(path, duration_s=2.0)[0].shape == (2, 80_000)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_a_start_beyond_the_end(song, name) -> None:
    assert "ends before 5.00 s" in _refused(song(name), start_s=5.0)


def test_a_start_beyond_the_end_where_the_length_is_unknown(song) -> None:
    assert probe(song("a.mka")).samples is None
    assert "ends before 5.00 s" in _refused(song("a.mka"), start_s=5.0)


@pytest.mark.parametrize("how", [{"start_s": -1.0}, {"duration_s": 0.0}])
def test_impossible_selections_are_wrong_usage(song, how) -> None:
    with pytest.raises(UsageError, match="--start"):
        open_audio(song("a.wav"), **how)


# --- cut off and damaged ------------------------------------------------------------------------


def _decoded_before_error(path: Path) -> tuple[Block, str]:
    blocks: list[Block] = []
    with open_audio(path) as reader, pytest.raises(TruncatedError) as caught:
        blocks.extend(reader.blocks())
    assert str(path) in str(caught.value)
    return np.concatenate(blocks, axis=1), str(caught.value)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.mp3", "a.ogg", "a.opus", "a.mka"])
def test_a_cut_off_file_gives_what_it_has_and_then_says_so(song, tmp_path, name) -> None:
    whole, _ = read_audio(song(name))
    data = song(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 6 // 10 + 1])
    read, message = _decoded_before_error(path)
    samples = read.shape[1]
    assert 0.45 * SAMPLES < samples < 0.62 * SAMPLES
    np.testing.assert_array_equal(read[:, : samples - 4096], whole[:, : samples - 4096])
    assert f"{samples / RATE:.2f} s" in message
    assert ("of 4.00 s" in message) == (name not in ("a.ogg", "a.opus"))


def test_a_cut_off_m4a_with_its_index_in_front(tmp_path, noise, encode_av) -> None:
    path = tmp_path / "a.m4a"
    options = {"movflags": "faststart"}
    encode_av(path, noise(2, SAMPLES), rate=RATE, codec="aac", options=options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    read, message = _decoded_before_error(path)
    assert 0.4 * SAMPLES < read.shape[1] < 0.55 * SAMPLES
    assert "of 4.00 s" in message


def test_a_cut_off_m4a_with_its_index_behind(song, tmp_path) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(song("a.m4a").read_bytes()[:40_000])
    assert "moov" in _refused(path)


def test_a_part_before_the_cut_is_complete(song, tmp_path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(song("a.flac").read_bytes()[:500_000])
    part, _ = read_audio(path, duration_s=1.0)
    np.testing.assert_array_equal(part, read_audio(song("a.flac"))[0][:, :RATE])


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_sizes_of_streamed_wavs_are_no_damage(song, tmp_path, size) -> None:
    data = bytearray(song("a.wav").read_bytes())
    at = data.find(b"data") + 4
    data[4:8] = data[at : at + 4] = struct.pack("<I", size)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(song("a.wav"))[0])


def test_a_flac_that_does_not_say_its_length(song, tmp_path) -> None:
    data = bytearray(song("a.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    assert probe(path).samples is None
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(song("a.flac"))[0])


def test_damage_in_an_mp3_is_passed_over_in_silence(song, tmp_path, capfd) -> None:
    whole, _ = read_audio(song("a.mp3"))
    data = bytearray(song("a.mp3").read_bytes())
    data[80_000:81_500] = np.random.default_rng(0).bytes(1500)
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    read: list[Block] = []
    with open_audio(path) as reader, contextlib.suppress(TruncatedError):
        read.extend(reader.blocks())
    samples = sum(block.shape[1] for block in read)
    assert abs(samples - whole.shape[1]) < 8 * 1152
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.m4a", "alac.m4a"])
def test_what_follows_damaged_packets_stays_in_time(song, tmp_path, name) -> None:
    whole, _ = read_audio(song(name))
    data = bytearray(song(name).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = b"\xff" * 20_000
    path = tmp_path / name
    path.write_bytes(data)
    read, _ = read_audio(path)
    assert read.shape == whole.shape
    np.testing.assert_array_equal(read[:, -RATE:], whole[:, -RATE:])
    assert not np.array_equal(read, whole)


# --- stdin and folders --------------------------------------------------------------------------


def test_stdin_is_kept_in_a_file(song, tmp_path) -> None:
    data = song("a.mp3").read_bytes()
    path = spool_stdin(io.BytesIO(data), tmp_path)
    assert path.parent == tmp_path
    assert path.read_bytes() == data


def test_empty_stdin_leaves_nothing(tmp_path) -> None:
    with pytest.raises(InputError, match="stdin"):
        spool_stdin(io.BytesIO(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_stdin_that_cannot_be_kept(tmp_path) -> None:
    with pytest.raises(ResourceError, match="nowhere"):
        spool_stdin(io.BytesIO(b"x"), tmp_path / "nowhere")


def test_every_format_counts_in_a_folder() -> None:
    assert {Path(name).suffix for name in NAMES} <= AUDIO_EXTENSIONS
    assert {".wma", ".mp4", ".mkv", ".webm"} <= AUDIO_EXTENSIONS
    assert not {".txt", ".png", ".json", ".cue", ".part", ""} & AUDIO_EXTENSIONS


@pytest.mark.parametrize(("name", "tolerance"), [("a.flac", 0), ("a.mp3", 1e-5)])
def test_libsndfile_itself_agrees(song, name, tolerance) -> None:
    """Parity with libsndfile: the same FLAC bit for bit, an MP3 by another decoder."""
    reference, _ = soundfile.read(song(name), dtype="float32")
    np.testing.assert_allclose(read_audio(song(name))[0], reference.T, rtol=0, atol=tolerance)
