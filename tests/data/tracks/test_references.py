from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmixcli.data.tracks.model import Part, Track
from unmixcli.data.tracks.references import Target, references
from unmixcli.data.tracks.stem_names import SIX

FOUR = ("vocals", "drums", "bass", "other")
TWO = ("vocals", "accompaniment")
HP = ("harmonic", "percussive")


def track(*stems: str, silent: tuple[str, ...] = ()) -> Track:
    part = Part(Path("x.wav"))
    return Track("song", {name: () if name in silent else (part,) for name in stems})


def sums(targets: tuple[Target, ...]) -> dict[str, tuple[set[str], set[str]]]:
    return {t.name: (set(t.estimate), set(t.reference)) for t in targets}


def test_same_stems_are_scored_one_by_one() -> None:
    assert references(track(*FOUR), FOUR) == tuple(Target(n, (n,), (n,)) for n in FOUR)


def test_two_stem_models_meet_the_sum_of_the_instruments() -> None:
    assert sums(references(track(*FOUR), TWO)) == {
        "vocals": ({"vocals"}, {"vocals"}),
        "accompaniment": ({"accompaniment"}, {"drums", "bass", "other"}),
    }


def test_four_stem_models_meet_two_stem_tracks() -> None:
    assert sums(references(track(*TWO), FOUR)) == {
        "vocals": ({"vocals"}, {"vocals"}),
        "accompaniment": ({"drums", "bass", "other"}, {"accompaniment"}),
    }


def test_grouped_stems_count_as_the_sum_of_their_names() -> None:
    assert sums(references(track("vocals", "bass_drums", "other"), FOUR)) == {
        "vocals": ({"vocals"}, {"vocals"}),
        "bass_drums": ({"bass", "drums"}, {"bass_drums"}),
        "other": ({"other"}, {"other"}),
    }
    assert sums(references(track("vocals", "drums", "bass", "other", "bass_other"), FOUR)) == {
        "vocals": ({"vocals"}, {"vocals"}),
        "drums": ({"drums"}, {"drums"}),
        "bass_other": ({"bass", "other"}, {"bass", "other", "bass_other"}),
    }


def test_seven_stems_are_summed_for_a_model_of_four() -> None:
    found = sums(references(track(*SIX, "other"), FOUR))
    guitars_and_piano = {"electric_guitar", "acoustic_guitar", "piano"}
    assert found["other"] == ({"other"}, guitars_and_piano | {"other"})
    assert found["bass"] == ({"bass"}, {"bass"})


def test_a_model_of_seven_on_a_track_of_four() -> None:
    found = sums(references(track(*FOUR), (*SIX, "other")))
    assert set(found) == set(FOUR)
    assert found["other"][1] == {"other"}
    assert len(found["other"][0]) == 4


def test_percussion_and_harmony() -> None:
    found = sums(references(track(*FOUR), HP))
    assert found["percussive"] == ({"percussive"}, {"drums"})
    assert found["harmonic"] == ({"harmonic"}, {"vocals", "bass", "other"})
    assert sums(references(track(*HP), FOUR))["drums"] == ({"drums"}, {"percussive"})


def test_sides_that_share_nothing_but_the_mix_have_no_target() -> None:
    assert references(track(*TWO), HP) == ()
    assert references(track("vocals", "bass_drums", "other"), HP) == ()


def test_what_the_model_does_not_give_is_no_target() -> None:
    assert sums(references(track(*FOUR), ("vocals",))) == {"vocals": ({"vocals"}, {"vocals"})}
    assert references(track(*FOUR), ("piano",)) == ()


def test_without_a_vocals_stem_a_voice_may_be_in_the_rest() -> None:
    assert sums(references(track("drums", "bass", "other"), FOUR)) == {
        "drums": ({"drums"}, {"drums"}),
        "bass": ({"bass"}, {"bass"}),
        "other": ({"vocals", "other"}, {"other"}),
    }


def test_a_stem_known_to_be_silent_is_a_silent_target() -> None:
    found = references(track(*FOUR, silent=("vocals",)), FOUR)
    assert {t.name for t in found if t.silent} == {"vocals"}


def test_a_name_nobody_knows_belongs_to_the_other_side_s_rest() -> None:
    found = sums(references(track("vocals", "strings", "drums", "bass", "other"), FOUR))
    assert found["other"] == ({"other"}, {"strings", "other"})
    assert sums(references(track("vocals", "strings"), ("strings",))) == {
        "strings": ({"strings"}, {"strings"})
    }


def test_vocals_against_the_rest() -> None:
    found = references(track(*FOUR), FOUR, against_rest="vocals")
    rest = ("drums", "bass", "other")
    assert found == (
        Target("vocals", ("vocals",), ("vocals",)),
        Target("accompaniment", rest, rest),
    )


def test_drums_against_the_rest() -> None:
    found = references(track(*HP), FOUR, against_rest="drums")
    assert [target.name for target in found] == ["drums", "harmonic"]


@pytest.mark.parametrize("model", [("vocals",), ("vocals", "drums"), HP])
def test_no_rest_where_the_targets_are_not_the_whole_song(model: tuple[str, ...]) -> None:
    assert references(track(*FOUR), model, against_rest="vocals") == ()


NAMES = st.lists(
    st.sampled_from([*SIX, "other", "accompaniment", "bass_other", "bass_drums", "x", *HP]),
    min_size=1,
    unique=True,
)


@given(NAMES, NAMES)
def test_no_stem_is_in_two_targets(ours: list[str], theirs: list[str]) -> None:
    found = references(track(*ours), theirs)
    for side in ("estimate", "reference"):
        used = [name for target in found for name in getattr(target, side)]
        assert len(used) == len(set(used))
        assert all(getattr(target, side) for target in found)


@given(NAMES)
def test_a_side_shares_with_itself_all_that_does_not_overlap(names: list[str]) -> None:
    for target in references(track(*names), names):
        assert target.estimate == target.reference
