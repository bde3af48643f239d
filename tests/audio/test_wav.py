from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unmixcli.audio.wav import WavFile, WavLayout


@pytest.mark.parametrize(("sample_bytes", "is_float"), [(2, False), (3, False), (4, True)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [0, 1, 7, 1000])
def test_libsndfile_reads_what_was_written(
    tmp_path: Path, sample_bytes: int, is_float: bool, channels: int, frames: int
) -> None:
    path = tmp_path / "a.wav"
    payload = np.random.default_rng(0).integers(0, 60, frames * channels * sample_bytes, np.uint8)
    file = WavFile(path, layout=WavLayout(22050, channels, sample_bytes, is_float))
    file.write(payload.tobytes())
    file.close()
    info = soundfile.info(path)
    subtype = "FLOAT" if is_float else f"PCM_{8 * sample_bytes}"
    assert (info.samplerate, info.channels, info.frames) == (22050, channels, frames)
    assert (info.format, info.subtype) == ("WAV", subtype)
    raw = path.read_bytes()
    assert struct.unpack("<I", raw[4:8])[0] == len(raw) - 8
    assert len(raw) % 2 == 0
    assert payload.tobytes() in raw


def test_beyond_the_limit_of_riff_it_is_rf64(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).standard_normal((5000, 2)).astype("<f4")
    file = WavFile(path, layout=WavLayout(44100, 2, 4, True), riff_limit=10_000)
    file.write(samples[:100].tobytes())
    file.write(samples[100:].tobytes())
    file.close()
    assert path.read_bytes()[:4] == b"RF64"
    assert soundfile.info(path).format == "RF64"
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], samples)


def test_rf64_holds_sizes_beyond_4_gib(tmp_path: Path) -> None:
    """Sparse: the frames in the middle are never written."""
    path = tmp_path / "a.wav"
    layout = WavLayout(44100, 2, 4, True)
    file = WavFile(path, layout=layout)
    frames = (1 << 32) // layout.frame_bytes + 1000
    file._file.seek((frames - 1) * layout.frame_bytes, 1)
    file._data_bytes = (frames - 1) * layout.frame_bytes
    file.write(np.float32([0.25, -0.25]).tobytes())
    file.close()
    assert soundfile.info(path).frames == frames
    with soundfile.SoundFile(path) as reread:
        reread.seek(frames - 1)
        assert reread.read(1).tolist() == [[0.25, -0.25]]
