from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.runs_for_tests import noise, write_stems
from unmixcli.data.tracks import Track, read_dataset
from unmixcli.errors import InputError
from unmixcli.evaluation.material import load_material, target_sums

TWO = ("vocals", "accompaniment")
FOUR = ("vocals", "drums", "bass", "other")


def track_of(folder: Path, **levels: float) -> Track:
    stems = {name: noise(at, level=level) for at, (name, level) in enumerate(levels.items())}
    write_stems(folder / "data" / "a", stems)
    return read_dataset(folder / "data").tracks[0]


def test_references_are_the_sums_that_both_sides_can_form(tmp_path: Path) -> None:
    track = track_of(tmp_path, vocals=0.1, drums=0.2, bass=0.1, other=0.1)
    material = load_material(track, TWO)
    assert [target.name for target in material.targets] == ["vocals", "accompaniment"]
    backing = noise(1, level=0.2) + noise(2) + noise(3)
    np.testing.assert_allclose(material.references[1].numpy(), backing, atol=1e-6)
    np.testing.assert_allclose(material.mix.numpy(), backing + noise(0), atol=1e-6)
    assert material.complete


def test_what_a_codec_leaves_of_silence_is_silent(tmp_path: Path) -> None:
    track = track_of(tmp_path, vocals=0.1, drums=0.2, bass=5e-5, other=2e-4)
    material = load_material(track, FOUR)
    assert material.silent == (False, False, True, False)
    assert material.scored == [0, 1, 3]


def test_the_only_stem_that_sounds_is_alone(tmp_path: Path) -> None:
    material = load_material(track_of(tmp_path, vocals=0.0, accompaniment=0.2), TWO)
    assert material.silent == (True, False)
    assert material.alone == (False, True)
    assert material.scored == []


def test_a_track_of_silence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a: every reference is silent \(vocals, drums\)"):
        load_material(track_of(tmp_path, vocals=0.0, drums=1e-5), ("vocals", "drums"))


def test_stems_without_a_common_sum_are_refused(tmp_path: Path) -> None:
    track = track_of(tmp_path, vocals=0.1, drums=0.2)
    with pytest.raises(InputError, match="drums, vocals and the estimates piano have no sum"):
        load_material(track, ("piano",))


@pytest.mark.parametrize(
    ("stems", "complete"),
    [(("vocals", "other"), True), (("vocals", "drums"), False), (("vocals",), False), (FOUR, True)],
)
def test_it_knows_which_stems_make_up_a_song(
    tmp_path: Path, stems: tuple[str, ...], complete: bool
) -> None:
    track = track_of(tmp_path, vocals=0.1, drums=0.2, bass=0.1, other=0.1)
    assert load_material(track, stems).complete is complete


def test_estimates_are_summed_without_being_changed(tmp_path: Path) -> None:
    stems = {name: noise(at) for at, name in enumerate(FOUR)}
    kept = {name: samples.copy() for name, samples in stems.items()}
    write_stems(tmp_path / "data" / "a", {"vocals": noise(0), "accompaniment": noise(1)})
    targets = load_material(read_dataset(tmp_path / "data").tracks[0], FOUR).targets
    sums = target_sums(stems, targets)
    backing = sum(kept[name] for name in FOUR[1:])
    torch.testing.assert_close(sums[1], torch.from_numpy(backing))
    for name in FOUR:
        np.testing.assert_array_equal(stems[name], kept[name])
