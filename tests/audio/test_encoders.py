from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from unmixcli.audio.encoders import StemLayout, compression_level, open_encoder
from unmixcli.audio.formats import CONTAINERS, output_format
from unmixcli.audio.read import probe, read_audio
from unmixcli.errors import InputError

RATE = 44100


def _layout(name: str, *, rate: int = RATE, channels: int = 2, kbps: int | None = None):
    chosen = output_format(name, bitrate_kbps=kbps)
    return StemLayout(chosen, chosen.sample_rate_for(rate), channels, 0, "vocals")


def _encode(path: Path, array: np.ndarray, layout: StemLayout) -> None:
    encoder = open_encoder(path, layout=layout)
    for start in range(0, array.shape[1], 16384):
        encoder.write(array[:, start : start + 16384])
    encoder.close()


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus", "m4a"])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kbps", [48, None])
def test_every_rate_and_bitrate_reads_back_to_the_sample(
    tmp_path, noise, lag, name, rate, channels, kbps
) -> None:
    layout = _layout(name, rate=rate, channels=channels, kbps=kbps)
    array = noise(channels, layout.sample_rate // 2 + 77)
    _encode(tmp_path / "a", array, layout)
    read, read_rate = read_audio(tmp_path / "a")
    assert (read_rate, read.shape) == (layout.sample_rate, array.shape)
    # Below 32 kbit/s a channel Opus turns the phase by part of a sample.
    assert abs(lag(array, read)) <= (1 if name == "opus" and kbps else 0)


@pytest.mark.parametrize(
    ("name", "kbps", "tolerance"),
    [
        ("mp3", 128, 0.05),
        ("mp3", 320, 0.05),
        ("opus", 96, 0.1),
        ("opus", 256, 0.1),
        ("m4a", 128, 0.1),
        ("m4a", 256, 0.1),
        ("ogg", 96, 0.5),
        ("ogg", 256, 0.5),
    ],
)
def test_the_bitrate_is_the_one_asked_for(tmp_path, noise, name, kbps, tolerance) -> None:
    layout = _layout(name, kbps=kbps)
    array = noise(2, 4 * layout.sample_rate)
    _encode(tmp_path / "a", array, layout)
    measured = (tmp_path / "a").stat().st_size * 8 / 4 / 1000
    assert abs(math.log(measured / kbps)) < tolerance


def test_bitrates_map_into_the_range_of_libsndfile() -> None:
    assert compression_level(_layout("mp3", kbps=320)) == 0
    assert compression_level(_layout("mp3", kbps=176)) == pytest.approx(0.5)
    assert compression_level(_layout("mp3", rate=22050, kbps=320)) == 0
    assert compression_level(_layout("opus", kbps=262)) == pytest.approx(0.5)
    assert compression_level(_layout("ogg", kbps=160)) == pytest.approx(0.5)


@pytest.mark.parametrize("bits", ["16", "24"])
def test_flac_and_wav_hold_the_same_samples(tmp_path, noise, bits) -> None:
    array = noise(2, 50_000)
    for name in ("wav", "flac"):
        layout = StemLayout(output_format(name, bits=bits), RATE, 2, 7, "vocals")
        _encode(tmp_path / name, array, layout)
    wav, flac = (soundfile.read(tmp_path / name, dtype="int32")[0] for name in ("wav", "flac"))
    np.testing.assert_array_equal(wav, flac)
    assert soundfile.info(tmp_path / "flac").subtype == f"PCM_{bits}"
    error = np.abs(wav.T / 2.0**31 - array).max() * 2 ** (int(bits) - 1)
    assert error <= 1.5


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_short_write_is_an_error_or_does_not_read_back(
    tmp_path, noise, files_of_at_most, name
) -> None:
    layout = _layout(name)
    array = noise(2, 2 * layout.sample_rate)
    try:
        with files_of_at_most(8192):
            _encode(tmp_path / "a", array, layout)
        samples = probe(tmp_path / "a").samples
    except (OSError, soundfile.SoundFileError, AssertionError, av.FFmpegError, InputError):
        samples = None
    assert samples != array.shape[1]
