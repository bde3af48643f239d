"""The library: arrays, streams, files, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import unmixcli
from conftest import RATE, noise
from unmixcli.errors import InputError, ResourceError, UsageError
from unmixcli.separation.session import Session


@pytest.fixture(scope="module")
def session(small_model: Path) -> Session:
    return unmixcli.load_model(small_model, device="cpu")


def test_array_gives_stems_that_sum_to_it(session: Session) -> None:
    song = noise().T
    before = song.copy()
    stems = unmixcli.separate(song, RATE, model=session)
    assert list(stems) == ["vocals", "accompaniment"]
    assert all(stem.shape == song.shape for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)
    assert np.array_equal(song, before)


def test_one_axis_stays_one_axis(session: Session) -> None:
    song = noise(channels=1)[:, 0]
    assert unmixcli.separate(song, RATE, model=session)["vocals"].shape == song.shape


def test_double_precision_and_strides_are_taken(session: Session) -> None:
    song = noise().T
    expected = unmixcli.separate(song, RATE, model=session)["vocals"]
    double = np.asfortranarray(song.astype(np.float64))
    assert np.array_equal(unmixcli.separate(double, RATE, model=session)["vocals"], expected)


def test_stream_equals_the_whole(session: Session) -> None:
    song = noise().T
    whole = unmixcli.separate(song, RATE, model=session)["vocals"]
    stream = unmixcli.open_stream(RATE, 2, model=session)
    blocks = torch.from_numpy(song.copy()).split(1009, dim=-1)
    parts = [stream.push(block) for block in blocks]
    parts.append(stream.finish())
    assert np.array_equal(torch.cat(parts, dim=-1)[0].numpy(), whole)


def test_sums_by_name(small_model: Path) -> None:
    song = noise().T
    stems = unmixcli.separate(song, RATE, model=small_model, stems=["karaoke"], device="cpu")
    assert list(stems) == ["karaoke"]


def test_file_gives_paths(session: Session, song: Path, tmp_path: Path) -> None:
    paths = unmixcli.separate_file(song, tmp_path / "out", model=session, format="flac")
    assert {name: path.name for name, path in paths.items()} == {
        "vocals": "vocals.flac",
        "accompaniment": "accompaniment.flac",
    }
    with pytest.raises(InputError, match="is there already"):
        unmixcli.separate_file(song, tmp_path / "out", model=session, format="flac")
    unmixcli.separate_file(song, tmp_path / "out", model=session, format="flac", overwrite=True)


def test_file_that_is_cut_off_raises_and_keeps_what_there_is(
    session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, noise(2.0), RATE)
    path.write_bytes(path.read_bytes()[:-50000])
    with pytest.raises(InputError, match="cut"):
        unmixcli.separate_file(path, tmp_path / "out", model=session)
    assert (tmp_path / "out" / "cut" / "vocals.wav").exists()


@pytest.mark.parametrize(
    ("audio", "rate", "complaint"),
    [
        (np.zeros((3, 100), np.float32), RATE, r"not \(3, 100\)"),
        (np.zeros((2, 2, 100), np.float32), RATE, r"not \(2, 2, 100\)"),
        (np.zeros((2, 0), np.float32), RATE, "no samples"),
        (np.zeros((2, 100), np.int16), RATE, "floating point"),
        (np.full((2, 100), np.nan, np.float32), RATE, "NaN"),
        (np.full((2, 100), np.inf, np.float32), RATE, "infinite"),
        (np.zeros((2, 100), np.float32), 0, "at least 1 Hz"),
        (np.zeros((2, 100), np.float32), RATE + 0.5, "must be whole"),
        (np.zeros((2, 100), np.float32), np.nan, "must be whole"),
    ],
)
def test_bad_arrays(session: Session, audio: np.ndarray, rate: int, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        unmixcli.separate(audio, rate, model=session)


def test_a_rate_may_be_a_whole_float() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    one, other = (unmixcli.find_pitch(tone, rate, model="swiftf0") for rate in (RATE, float(RATE)))
    np.testing.assert_array_equal(one.f0_hz, other.f0_hz)
    assert one.voiced.any()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda m: unmixcli.load_model("no-such-model"), UsageError),
        (lambda m: unmixcli.load_model(m, stems=["harp"]), UsageError),
        (lambda m: unmixcli.load_model(m, device="tpu"), UsageError),
        (lambda m: unmixcli.load_model(m, device="mps"), ResourceError),
        (lambda m: unmixcli.open_stream(RATE, 3, model=m), InputError),
        (lambda m: unmixcli.open_stream(0, 2, model=m), InputError),
        (lambda m: unmixcli.open_stream(22050.5, 2, model=m), InputError),
        (lambda m: unmixcli.open_stream(float("nan"), 2, model=m), InputError),
    ],
)
def test_bad_calls(
    small_model: Path, call: Callable[[Path], object], kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(kind):
        call(small_model)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'seperate'"):
        _ = unmixcli.seperate


def test_public_names_are_there() -> None:
    assert set(dir(unmixcli)) == set(unmixcli.__all__)
    assert all(getattr(unmixcli, name) is not None for name in unmixcli.__all__)
