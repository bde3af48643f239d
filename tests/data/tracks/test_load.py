from pathlib import Path

import numpy as np
import pytest

from unmixcli.data.tracks.load import load_stems, native_rate
from unmixcli.data.tracks.model import MIX, Part, Track
from unmixcli.errors import InputError, UsageError


def test_parts_are_weighted_and_summed_and_stems_make_the_mix(tmp_path: Path, constant) -> None:
    one = constant(tmp_path / "1.wav", 0.5)
    two = constant(tmp_path / "2.wav", 0.25)
    track = Track("t", {"vocals": (Part(one, gain=0.5), Part(two)), "other": (Part(two),)})
    stems, rate = load_stems(track)
    assert rate == 8000
    assert list(stems) == ["vocals", "other", MIX]
    assert {array.dtype for array in stems.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(stems["vocals"], np.full((1, 400), 0.5, np.float32))
    np.testing.assert_array_equal(stems[MIX], np.full((1, 400), 0.75, np.float32))


def test_the_mixture_file_is_the_mix_where_there_is_one(tmp_path: Path, constant) -> None:
    track = Track(
        "t",
        {"vocals": (Part(constant(tmp_path / "v.wav", 0.5)),)},
        mixture=Part(constant(tmp_path / "m.wav", 0.125)),
    )
    np.testing.assert_array_equal(load_stems(track, [MIX])[0][MIX], np.full((1, 400), 0.125))


def test_shorter_stems_end_in_silence(tmp_path: Path, constant) -> None:
    track = Track(
        "t",
        {
            "bass": (Part(constant(tmp_path / "b.wav", 0.5, samples=100)),),
            "drums": (Part(constant(tmp_path / "d.wav", 0.5, samples=300)),),
        },
    )
    bass = load_stems(track)[0]["bass"]
    assert bass.shape == (1, 300)
    np.testing.assert_array_equal(bass[0, :100], 0.5)
    np.testing.assert_array_equal(bass[0, 100:], 0.0)


def test_a_stem_has_one_shape_whatever_is_loaded_with_it(tmp_path: Path, constant) -> None:
    track = Track(
        "t",
        {
            "bass": (Part(constant(tmp_path / "b.wav", 0.5, samples=100)),),
            "drums": (Part(constant(tmp_path / "d.wav", 0.25, 0.125, samples=300)),),
            "vocals": (),
        },
    )
    whole, _ = load_stems(track)
    for name in (*track.stems, MIX):
        np.testing.assert_array_equal(load_stems(track, [name])[0][name], whole[name])
    assert whole["vocals"].shape == (2, 300)
    assert not whole["vocals"].any()


def test_mono_parts_stand_in_every_channel(tmp_path: Path, constant) -> None:
    parts = (
        Part(constant(tmp_path / "m.wav", 0.5)),
        Part(constant(tmp_path / "s.wav", 0.25, 0.125)),
    )
    stem = load_stems(Track("t", {"x": parts}))[0]["x"]
    np.testing.assert_array_equal(stem[:, 0], [0.75, 0.625])


@pytest.mark.parametrize(("channel", "level"), [("left", 0.25), ("right", 0.5)])
def test_one_channel_of_a_stereo_file(tmp_path: Path, constant, channel, level: float) -> None:
    file = constant(tmp_path / "s.wav", 0.25, 0.5)
    stem = load_stems(Track("t", {"x": (Part(file, channel=channel),)}))[0]["x"]
    np.testing.assert_array_equal(stem, np.full((1, 400), level))


def test_a_channel_of_a_mono_file_is_an_error(tmp_path: Path, constant) -> None:
    track = Track("t", {"x": (Part(constant(tmp_path / "m.wav", 0.5), channel="right"),)})
    with pytest.raises(InputError, match="should have two"):
        load_stems(track)


def ramp(path: Path, samples: int) -> np.ndarray:
    import soundfile

    array = (np.arange(samples) / 1024).astype(np.float32)
    soundfile.write(path, array, 8000, subtype="FLOAT")
    return array


def test_cuts_and_places_are_exact_to_the_sample(tmp_path: Path) -> None:
    array = ramp(tmp_path / "r.wav", 400)
    part = Part(tmp_path / "r.wav", start_s=100 / 8000, duration_s=50 / 8000, offset_s=30 / 8000)
    stem = load_stems(Track("t", {"x": (part,)}))[0]["x"]
    np.testing.assert_array_equal(stem[0], np.concatenate([np.zeros(30), array[100:150]]))


def test_a_piece_behind_the_end_of_its_file_is_silent(tmp_path: Path, constant) -> None:
    short = Part(constant(tmp_path / "b.wav", 0.5, samples=80), start_s=0.02, duration_s=0.01)
    long = Part(constant(tmp_path / "d.wav", 0.5, samples=400), start_s=0.02, duration_s=0.01)
    stems, _ = load_stems(Track("t", {"bass": (short,), "drums": (long,)}))
    assert stems["drums"].shape == (1, 80)
    assert not stems["bass"].any()


def test_a_file_that_does_not_say_its_length_is_cut_alike(tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    from unmixcli.data.tracks import load

    ramp(tmp_path / "r.wav", 400)
    part = Part(tmp_path / "r.wav", start_s=100 / 8000, duration_s=50 / 8000, offset_s=30 / 8000)
    late = replace(part, start_s=1.0)
    track = Track("t", {"x": (part,), "late": (late,)})
    known, _ = load_stems(track)
    monkeypatch.setattr(
        load, "probe", lambda path, probe=load.probe: replace(probe(path), samples=None)
    )
    unknown, _ = load_stems(track)
    for name, array in known.items():
        np.testing.assert_array_equal(unknown[name], array)


def test_rates_are_converted(tmp_path: Path, constant) -> None:
    track = Track(
        "t",
        {
            "a": (Part(constant(tmp_path / "a.wav", 0.5, samples=8000, rate=8000)),),
            "b": (Part(constant(tmp_path / "b.wav", 0.5, samples=16000, rate=16000)),),
        },
    )
    stems, rate = load_stems(track)
    assert rate == native_rate(track) == 8000
    assert stems["b"].shape == (1, 8000)
    # A constant stays what it is, away from the edges.
    np.testing.assert_allclose(stems["b"][0, 1000:-1000], 0.5, atol=1e-4)
    stems, rate = load_stems(track, sample_rate=11025)
    assert (rate, stems["a"].shape) == (11025, (1, 11025))


def test_a_track_s_own_rate_goes_before_that_of_its_files(tmp_path: Path, constant) -> None:
    file = constant(tmp_path / "a.wav", 0.5)
    stems, rate = load_stems(Track("t", {"a": (Part(file),)}, sample_rate=4000))
    assert (rate, stems["a"].shape) == (4000, (1, 200))


def test_a_stem_that_does_not_exist(tmp_path: Path, constant) -> None:
    track = Track("song", {"vocals": (Part(constant(tmp_path / "a.wav")),)})
    with pytest.raises(UsageError, match=r"song has no stem 'piano'; it has vocals"):
        load_stems(track, ["piano"])


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav does not exist"):
        load_stems(Track("t", {"vocals": (Part(tmp_path / "gone.wav"),)}))
