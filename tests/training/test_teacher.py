"""Distillation: a teacher's stems of songs that have none are what is learned."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

import unmixcli
from unmixcli.audio.read import read_audio
from unmixcli.errors import InputError
from unmixcli.training.export import export_model
from unmixcli.training.model import untrained_model
from unmixcli.training.pack import pack_source
from unmixcli.training.recipe import Source


@pytest.fixture
def teacher(tmp_path, recipe):
    return export_model(untrained_model(recipe("seed=3")), recipe("seed=3"), tmp_path / "teacher")


def test_targets_are_what_the_teacher_separates(tmp_path, songs, recipe, teacher) -> None:
    source = Source(path=songs, teacher=str(teacher), loss_weight=0.5)
    packed = pack_source(source, recipe().network, cache=tmp_path / "packs")
    (track,) = (track for track in packed if track.name == "song 1")
    assert track.targets == (("vocals",), ("drums",), ("other",))
    assert track.loss_weight == 0.5
    files = sorted((songs / "song 1").iterdir())
    mix = sum(read_audio(path)[0] for path in files)
    stems = unmixcli.separate(mix, 8000, model=teacher)
    for row, name in enumerate(("vocals", "drums", "other")):
        np.testing.assert_allclose(np.float32(track.audio[row]), stems[name], atol=2**-11)


def test_another_teacher_is_another_pack(tmp_path, songs, recipe, teacher) -> None:
    said: list[str] = []

    def pack() -> None:
        source = Source(path=songs, teacher=str(teacher))
        pack_source(source, recipe().network, cache=tmp_path / "packs", notice=said.append)

    pack()
    pack()
    assert len(said) == 6
    export_model(untrained_model(recipe("seed=4")), recipe("seed=4"), teacher)
    pack()
    assert len(said) == 12


def test_a_folder_of_songs_without_stems(tmp_path, songs, recipe, teacher) -> None:
    mixes = tmp_path / "mixes"
    (mixes / "album").mkdir(parents=True)
    files = sorted((songs / "song 0").iterdir())
    mix = sum(read_audio(path)[0] for path in files)
    soundfile.write(mixes / "album" / "one.wav", mix.T, 8000, subtype="FLOAT")
    source = Source(path=mixes, teacher=str(teacher))
    (track,) = pack_source(source, recipe().network, cache=tmp_path / "packs")
    assert track.name == "album/one.wav"
    stems = unmixcli.separate(mix, 8000, model=teacher)
    for row, name in enumerate(("vocals", "drums", "other")):
        np.testing.assert_allclose(np.float32(track.audio[row]), stems[name], atol=2**-11)


def test_a_folder_without_songs_has_nothing_to_learn(tmp_path, recipe, teacher) -> None:
    (tmp_path / "none").mkdir()
    source = Source(path=tmp_path / "none", teacher=str(teacher))
    with pytest.raises(InputError, match="holds no audio for the teacher"):
        pack_source(source, recipe().network, cache=tmp_path / "packs")
