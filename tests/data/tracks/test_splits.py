from pathlib import Path

from unmixcli.data.tracks.model import Manifest, Part, Track
from unmixcli.data.tracks.splits import stoller_splits


def manifest(splits: dict[str, str | None]) -> Manifest:
    stems = {"vocals": (Part(Path("v.wav")),)}
    return Manifest("set", tuple(Track(n, stems, split) for n, split in splits.items()))


def test_thirds() -> None:
    names = [f"{number:03d}" for number in range(252)]
    found = stoller_splits(manifest(dict.fromkeys(reversed(names))))
    assert [track.name for track in found.tracks] == names
    splits = [track.split for track in found.tracks]
    assert splits == ["unlabelled"] * 84 + ["validation"] * 84 + ["test"] * 84


def test_a_number_that_three_does_not_divide() -> None:
    found = stoller_splits(manifest(dict.fromkeys("abcdefgh")))
    sizes = [len(found.select(split).tracks) for split in found.splits]
    assert sorted(sizes) == [2, 3, 3]


def test_a_test_part_of_its_own_is_halved() -> None:
    own = {f"{n:03d}": "test" if n < 50 else "train" for n in range(100)}
    found = stoller_splits(manifest(own))
    sizes = {split: len(found.select(split).tracks) for split in found.splits}
    assert sizes == {"train": 50, "validation": 25, "test": 25}
