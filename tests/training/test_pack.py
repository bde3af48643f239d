from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from training.songs_for_tests import RATE, write_song
from unmixcli.errors import InputError
from unmixcli.training.pack import pack_source
from unmixcli.training.recipe import Source


@pytest.fixture
def packed(songs, recipe, tmp_path):
    """Pack, and what was decoded for it."""

    def pack(**changes):
        said: list[str] = []
        source = Source(path=songs, **changes)
        tracks = pack_source(source, recipe().network, cache=tmp_path / "packs", notice=said.append)
        return tracks, said

    return pack


def test_rows_are_the_stems_to_half_precision(packed, songs) -> None:
    tracks, _ = packed()
    track = next(track for track in tracks if track.name == "song 2")
    assert track.targets == (("vocals",), ("drums",), ("other",))
    for row, name in enumerate(("vocals", "drums", "other")):
        stem, _ = soundfile.read(songs / "song 2" / f"{name}.wav", dtype="float32")
        np.testing.assert_allclose(track.audio[row, 0], stem, atol=2**-12)


def test_a_grouped_stem_is_a_target_of_its_own(packed) -> None:
    track = next(track for track in packed()[0] if track.name == "song 1")
    assert track.targets == (("vocals",), ("drums", "other"))


def test_decoded_once(packed, songs) -> None:
    assert len(packed()[1]) == 6
    assert packed()[1] == []
    stem = songs / "song 0" / "vocals.wav"
    soundfile.write(stem, np.zeros(2 * RATE), RATE, subtype="FLOAT")
    tracks, said = packed()
    assert said == ["packing song 0"]
    assert not np.any(next(t for t in tracks if t.name == "song 0").audio[0])


def test_what_no_stem_of_the_model_holds_is_the_rest_of_the_mix(songs, recipe, tmp_path) -> None:
    network = recipe("network.residual=other").network
    network = network.model_copy(update={"stems": ("vocals", "piano"), "residual": None})
    (track, *_) = pack_source(Source(path=songs), network, cache=tmp_path / "packs")
    assert track.targets == (("vocals",),)
    assert track.audio.shape[0] == 2
    mix = sum(soundfile.read(path)[0] for path in sorted((songs / "song 0").iterdir()))
    np.testing.assert_allclose(np.float32(track.audio).sum(axis=0)[0], mix, atol=2**-11)


def test_mono_is_heard_on_both_sides(songs, recipe, tmp_path) -> None:
    network = recipe("network.channels=2").network
    (track, *_) = pack_source(Source(path=songs), network, cache=tmp_path / "packs")
    np.testing.assert_array_equal(track.audio[:, 0], track.audio[:, 1])


def test_no_track_with_a_stem_of_the_model(tmp_path, recipe) -> None:
    write_song(tmp_path / "others" / "a", seed=0, names=("drums",))
    network = recipe().network.model_copy(update={"stems": ("piano", "guitar"), "residual": None})
    with pytest.raises(InputError, match="has no track with one of the stems piano, guitar"):
        pack_source(Source(path=tmp_path / "others"), network, cache=tmp_path / "packs")


def test_levels_are_root_mean_squares(packed) -> None:
    track = packed()[0][0]
    assert track.levels.shape == (3, 256)
    np.testing.assert_allclose(track.levels[0].mean(), 0.2 / np.sqrt(2), rtol=0.02)


def test_weights_of_the_source_are_those_of_its_tracks(packed) -> None:
    tracks, _ = packed(weight=3.0, loss_weight=0.25)
    assert {(track.weight, track.loss_weight) for track in tracks} == {(3.0, 0.25)}
    assert replace(tracks[0], weight=1.0).samples == 2 * RATE
