import itertools

import pytest

from unmixcli.data.tracks.stem_names import SIX, canonical, coverage, group, is_known, universe

FOUR = ("vocals", "drums", "bass", "other")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Lead Guitar", "lead_guitar"),
        ("VOX", "vocals"),
        ("Mixture", "mix"),
        ("no-vocals", "accompaniment"),
        ("bass_other", "bass_other"),
        ("Electric-Guitar", "electric_guitar"),
    ],
)
def test_canonical(name: str, expected: str) -> None:
    assert canonical(name) == expected


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("bass_other", ("bass", "other")),
        ("bass_drums", ("bass", "drums")),
        ("electric_guitar_piano", ("electric_guitar", "piano")),
        ("drums_electric_guitar_bass", ("drums", "electric_guitar", "bass")),
        ("electric_guitar", ()),
        ("lead_guitar", ()),
        ("bass_lead", ()),
        ("vocals", ()),
    ],
)
def test_group(name: str, pieces: tuple[str, ...]) -> None:
    assert group(name) == pieces


def test_is_known() -> None:
    assert all(is_known(n) for n in (*SIX, *FOUR, "harmonic", "accompaniment", "bass_other"))
    assert not is_known("strings")


@pytest.mark.parametrize(
    "names",
    [
        FOUR,
        (*SIX, "other"),
        ("vocals", "accompaniment"),
        ("harmonic", "percussive"),
        ("vocals", "bass_drums", "other"),
        ("vocals", "drums", "bass_other"),
        ("strings", "vocals", "other"),
    ],
)
def test_stems_that_make_up_a_song_partition_it(names: tuple[str, ...]) -> None:
    everything = universe(names)
    covered = coverage(names, of=everything)
    assert frozenset().union(*covered.values()) == everything
    for one, two in itertools.combinations(covered.values(), 2):
        assert not one & two


def test_other_means_less_beside_more_names() -> None:
    of_four = coverage(FOUR, of=universe(FOUR))["other"]
    of_six = coverage((*SIX, "other"), of=universe(SIX))["other"]
    assert of_six < of_four
    assert of_four - of_six == {"electric_guitar", "acoustic_guitar", "piano"}


def test_a_group_beside_its_pieces_overlaps_them() -> None:
    names = ("vocals", "drums", "bass", "other", "bass_other")
    covered = coverage(names, of=universe(names))
    assert covered["bass_other"] == covered["bass"] | covered["other"]
