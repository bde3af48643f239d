from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unmixcli.audio import write
from unmixcli.audio.blocks import Block
from unmixcli.audio.encoders import open_encoder
from unmixcli.audio.formats import CONTAINERS, OutputFormat, output_format
from unmixcli.audio.read import read_audio
from unmixcli.audio.resample import resample
from unmixcli.audio.tags import Picture, Tags, read_tags
from unmixcli.audio.write import TrackReport, TrackWriter, write_audio
from unmixcli.errors import InputError, ModelError, ResourceError, UsageError

RATE = 44100
WAV16 = output_format("wav", bits="16")
FLOAT = output_format("wav", bits="32f")


def _write(
    folder: Path,
    stems: Mapping[str, Block],
    *,
    format: OutputFormat,
    block: int = 5000,
    seed: int = 0,
    tags: Tags | None = None,
) -> TrackReport:
    channels, samples = next(iter(stems.values())).shape
    paths = {stem: folder / f"{stem}.{format.extension}" for stem in stems}
    with TrackWriter(
        paths, sample_rate=RATE, channels=channels, format=format, tags=tags, seed=seed
    ) as writer:
        for start in range(0, samples, block):
            writer.write({s: array[:, start : start + block] for s, array in stems.items()})
        return writer.close()


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# --- samples and levels -------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_float_is_bit_exact_even_beyond_full_scale(tmp_path, noise, channels) -> None:
    array = noise(channels, 30_001) * 8
    report = _write(tmp_path, {"vocals": array}, format=FLOAT)
    assert report.gain_db == 0
    assert report.stems["vocals"].peak == np.abs(array).max() > 1
    np.testing.assert_array_equal(read_audio(tmp_path / "vocals.wav")[0], array)


@pytest.mark.parametrize("name", ["wav", "flac"])
@pytest.mark.parametrize("bits", ["16", "24"])
def test_integers_are_within_one_and_a_half_steps(tmp_path, noise, name, bits) -> None:
    array = noise(2, 30_001)
    _write(tmp_path, {"v": array}, format=output_format(name, bits=bits))
    read, _ = read_audio(tmp_path / f"v.{name}")
    assert np.abs(read - array).max() * 2 ** (int(bits) - 1) <= 1.5
    assert np.abs(read - array).max() > 0


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_silence_stays_silence_and_is_reported(tmp_path, noise, name) -> None:
    stems = {"v": np.zeros((2, 20_000), np.float32), "d": noise(2, 20_000)}
    report = _write(tmp_path, stems, format=output_format(name, bits="16"))
    assert not read_audio(tmp_path / f"v.{name}")[0].any()
    assert [report.stems[stem].silent for stem in "vd"] == [True, False]


def test_a_16_bit_song_passes_through_unchanged(tmp_path) -> None:
    steps = np.random.default_rng(0).integers(-32768, 32768, (2, 20_000))
    array = (steps / 32768).astype(np.float32)
    report = _write(tmp_path, {"v": array}, format=WAV16)
    assert report.gain_db == 0
    np.testing.assert_array_equal(read_audio(tmp_path / "v.wav")[0], array)


@pytest.mark.parametrize("late", [0, 150_000])
@pytest.mark.parametrize("name", ["wav", "flac"])
def test_one_gain_for_all_stems_where_one_would_clip(tmp_path, noise, name, late) -> None:
    stems = {"loud": noise(2, 200_000) / 2, "soft": noise(2, 200_000, seed=1) / 8}
    stems["loud"][:, late : late + 10] = np.float32([[2.0], [-1.5]])
    report = _write(tmp_path, stems, format=output_format(name, bits="16"))
    gain = 10 ** (report.gain_db / 20)
    assert gain == pytest.approx(0.5, abs=1e-4)
    assert report.stems["loud"].peak == 2
    for stem, array in stems.items():
        read, _ = read_audio(tmp_path / f"{stem}.{name}")
        assert np.abs(read - gain * array).max() * 32768 <= 1.5
        assert read.max() < 32767 / 32768


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus", "m4a"])
def test_lossy_formats_get_the_gain_too(tmp_path, noise, name) -> None:
    array = noise(1, 50_000)
    array *= 4 / np.abs(array).max()
    report = _write(tmp_path, {"v": array}, format=output_format(name))
    assert report.gain_db == pytest.approx(-12.04, abs=0.5)
    read, rate = read_audio(tmp_path / f"v.{name}")
    ideal = resample(array, from_rate=RATE, to_rate=rate) / 4
    assert np.std(read) == pytest.approx(np.std(ideal), rel=0.1)


def test_the_input_is_not_changed(tmp_path, noise) -> None:
    array = noise(2, 20_000) * 8
    kept = array.copy()
    _write(tmp_path, {"v": array}, format=WAV16)
    np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("loud", [1, 8])
def test_bytes_do_not_depend_on_block_lengths_or_the_run(tmp_path, noise, name, loud) -> None:
    stems = {"v": noise(2, 40_000) * loud, "d": noise(2, 40_000, seed=2)}
    files = []
    for number, block in enumerate((40_000, 1009, 1009)):
        folder = tmp_path / str(number)
        _write(folder, stems, format=output_format(name), block=block)
        files.append([(folder / f"{stem}.{name}").read_bytes() for stem in stems])
    assert files[0] == files[1] == files[2]


def test_the_seed_changes_the_dither(tmp_path, noise) -> None:
    for seed in (0, 1):
        _write(tmp_path / str(seed), {"v": noise(1, 5000)}, format=WAV16, seed=seed)
    read = [read_audio(tmp_path / str(seed) / "v.wav")[0] for seed in (0, 1)]
    assert 0 < np.abs(read[0] - read[1]).max() <= 3 / 32768


def test_a_rate_that_the_container_lacks_is_converted(tmp_path, noise, lag) -> None:
    array = noise(2, 44_100)
    report = _write(tmp_path, {"v": array}, format=output_format("opus"))
    read, rate = read_audio(tmp_path / "v.opus")
    assert report.sample_rate == rate == 48000
    assert report.stems["v"].samples == read.shape[1] == 48_000
    assert lag(resample(array, from_rate=RATE, to_rate=48000), read) == 0


def test_the_report_names_what_was_written(tmp_path, noise) -> None:
    stems = {"vocals": noise(1, 12_345), "drums": noise(1, 12_345, seed=1)}
    report = _write(tmp_path / "a" / "b", stems, format=FLOAT)
    assert _left(tmp_path) == ["drums.wav", "vocals.wav"]
    for stem, array in stems.items():
        found = report.stems[stem]
        assert found.path == tmp_path / "a" / "b" / f"{stem}.wav"
        assert (found.samples, found.peak) == (12_345, np.abs(array).max())


@pytest.mark.parametrize("name", CONTAINERS)
def test_tags_carry_the_stem_in_the_title(tmp_path, noise, png, name) -> None:
    tags = Tags({"title": ("Song",), "artist": ("One",)}, (Picture("image/png", png),))
    stems = {"vocals": noise(2, 20_000), "drums": noise(2, 20_000)}
    _write(tmp_path, stems, format=output_format(name), tags=tags)
    for stem in stems:
        read = read_tags(tmp_path / f"{stem}.{name}")
        assert read.fields == {"title": (f"Song ({stem})",), "artist": ("One",)}
        assert read.pictures == tags.pictures


def test_tags_that_a_file_does_not_take_do_not_fail_the_track(tmp_path, noise, monkeypatch) -> None:
    monkeypatch.setattr("unmixcli.audio.write.write_tags", _raise(ValueError("odd tag")))
    tags = Tags({"title": ("Song",)})
    _write(tmp_path, {"v": noise(1, 5000)}, format=WAV16, tags=tags)
    assert _left(tmp_path) == ["v.wav"]


# --- finished or absent -------------------------------------------------------------------------


def _raise(error: BaseException) -> Callable[..., None]:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    return fail


def _writer(folder: Path, *stems: str, format: OutputFormat = WAV16) -> TrackWriter:
    paths = {stem: folder / f"{stem}.{format.extension}" for stem in stems}
    return TrackWriter(paths, sample_rate=RATE, channels=1, format=format)


@pytest.mark.parametrize("name", CONTAINERS)
def test_nothing_has_its_final_name_before_all_is_done(tmp_path, noise, name) -> None:
    block = noise(1, 40_000)
    with _writer(tmp_path, "v", "d", format=output_format(name)) as writer:
        writer.write({"v": block, "d": block})
        assert _left(tmp_path)
        assert all(left.startswith(".") for left in _left(tmp_path))
    assert _left(tmp_path) == [f"d.{name}", f"v.{name}"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_an_exception_leaves_nothing(tmp_path, noise, name) -> None:
    def interrupted() -> None:
        with _writer(tmp_path, "v", "d", format=output_format(name)) as writer:
            writer.write({"v": noise(1, 40_000), "d": noise(1, 40_000)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _left(tmp_path) == []


def test_an_older_file_stays_until_the_new_one_is_complete(tmp_path, noise) -> None:
    (tmp_path / "v.wav").write_bytes(b"old")
    writer = _writer(tmp_path, "v")
    writer.write({"v": noise(1, 40_000)})
    writer.abort()
    assert (tmp_path / "v.wav").read_bytes() == b"old"
    write_audio(tmp_path / "v.wav", noise(1, 100), RATE)
    assert soundfile.info(tmp_path / "v.wav").frames == 100


def test_closing_twice_gives_the_same_report(tmp_path, noise) -> None:
    writer = _writer(tmp_path, "v")
    writer.write({"v": noise(1, 100)})
    assert writer.close() is writer.close()
    writer.abort()
    assert _left(tmp_path) == ["v.wav"]


class _LosesBlocks:
    def __init__(self, path: Path, *, layout) -> None:
        self._encoder = open_encoder(path, layout=layout)

    def write(self, block: Block) -> None:
        self._encoder.write(block[:, :-1])

    def close(self) -> None:
        self._encoder.close()


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_does_not_read_back_is_never_renamed(tmp_path, noise, monkeypatch, name) -> None:
    monkeypatch.setattr(write, "open_encoder", _LosesBlocks)
    with pytest.raises(ResourceError, match="does not read back"):
        _write(tmp_path, {"v": noise(1, 40_000)}, format=output_format(name))
    assert _left(tmp_path) == []


class _FillsTheDisk(_LosesBlocks):
    def write(self, block: Block) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        super().close()
        raise RuntimeError("an encoder that does not like to be stopped")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, noise, monkeypatch) -> None:
    monkeypatch.setattr(write, "open_encoder", _FillsTheDisk)
    with pytest.raises(ResourceError, match="No space is left in") as caught:
        _write(tmp_path, {"v": noise(1, 40_000)}, format=WAV16)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert _left(tmp_path) == []


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_disk_that_fills_up(tmp_path, noise, files_of_at_most, name) -> None:
    array = noise(2, 100_000)
    with files_of_at_most(65536), pytest.raises(ResourceError):
        _write(tmp_path, {"v": array}, format=output_format(name))
    assert _left(tmp_path) == []


@pytest.mark.parametrize("error", [soundfile.LibsndfileError(2), AssertionError()])
def test_a_failing_encoder_on_a_full_disk_is_a_full_disk(
    tmp_path, noise, monkeypatch, error
) -> None:
    class NoSpace:
        total, free = 10**9, 0

    monkeypatch.setattr(_LosesBlocks, "write", _raise(error))
    monkeypatch.setattr(write, "open_encoder", _LosesBlocks)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: NoSpace)
    with pytest.raises(ResourceError, match="No space is left"):
        _write(tmp_path, {"v": noise(1, 40_000)}, format=WAV16)
    assert _left(tmp_path) == []


def test_a_folder_that_cannot_be_written_to(tmp_path, noise) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match="--out"):
        write_audio(tmp_path / "file" / "v.wav", noise(1, 10), RATE)
    (tmp_path / "v.wav").mkdir()
    with pytest.raises(ResourceError, match="a folder has that name"):
        write_audio(tmp_path / "v.wav", noise(1, 10), RATE)
    assert _left(tmp_path) == ["file"]


def test_a_folder_without_permission(tmp_path, noise, monkeypatch) -> None:
    monkeypatch.setattr(write, "open_encoder", _raise(PermissionError(13, "Permission denied")))
    with pytest.raises(ResourceError, match=r"Permission denied.*--out"):
        write_audio(tmp_path / "v.wav", noise(1, 10), RATE)


def test_one_stem_that_cannot_be_written_takes_the_others_along(tmp_path) -> None:
    (tmp_path / "d.wav").mkdir()
    with pytest.raises(ResourceError):
        _writer(tmp_path, "v", "d")
    assert _left(tmp_path) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_from_a_model_is_never_written(tmp_path, noise, bad) -> None:
    array = noise(2, RATE * 2)
    array[0, RATE] = bad
    with pytest.raises(ModelError, match=r"'v'.*1\.000 s"):
        _write(tmp_path, {"v": array}, format=FLOAT)
    assert _left(tmp_path) == []


def test_no_samples_are_no_file(tmp_path) -> None:
    with pytest.raises(InputError, match="no samples"):
        write_audio(tmp_path / "v.wav", np.zeros((1, 0), np.float32), RATE)
    assert _left(tmp_path) == []


def test_stems_and_shapes_are_checked(tmp_path, noise) -> None:
    with _writer(tmp_path, "v") as writer:
        with pytest.raises(ValueError, match="expected the stems"):
            writer.write({"d": noise(1, 10)})
        with pytest.raises(ValueError, match=r"\(1, samples\)"):
            writer.write({"v": noise(2, 10)})
        writer.write({"v": noise(1, 10)})
    path = tmp_path / "same.wav"
    with pytest.raises(UsageError, match=r"\{stem\}"):
        TrackWriter({"a": path, "b": path}, sample_rate=RATE, channels=1, format=WAV16)


@pytest.mark.parametrize("stem", ["-v", "🎤 zwei  Wörter", "x" * 250])
def test_any_file_name_works(tmp_path, noise, stem) -> None:
    for name in CONTAINERS:
        path = tmp_path / f"{stem}.{name}"
        write_audio(path, noise(1, 5000), RATE)
        assert read_audio(path)[0].shape[0] == 1
    assert len(_left(tmp_path)) == len(CONTAINERS)
