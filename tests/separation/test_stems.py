"""Stems as arithmetic: what is asked for, in weights of the mix and of the stems computed."""

from __future__ import annotations

import pytest

from unmixcli.errors import UsageError
from unmixcli.models.stems import StemSet
from unmixcli.separation.stems import OutputPlan, Request, parse_mix, plan_outputs

FOUR = StemSet(("vocals", "drums", "bass", "other"), "other")
FREE = StemSet(("vocals", "drums"))


def plan(request: Request, stem_set: StemSet = FOUR) -> OutputPlan:
    return plan_outputs(stem_set, request, model="test")


def value(plan: OutputPlan, output: str, stems: dict[str, float], mix: float) -> float:
    """An output, computed from numbers in place of samples."""
    row = plan.weights[plan.outputs.index(output)]
    return row[0] * mix + sum(
        weight * stems[stem] for weight, stem in zip(row[1:], plan.computed, strict=True)
    )


STEMS = {"vocals": 1.0, "drums": 10.0, "bass": 100.0, "other": 1000.0}
# The network's own "other" is wrong; the mix decides.
MIX = 5000.0
RESIDUAL = MIX - 111.0


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(), {"vocals": 1, "drums": 10, "bass": 100, "other": RESIDUAL}),
        (Request(stems=("drums",)), {"drums": 10}),
        (Request(stems=("accompaniment",)), {"accompaniment": MIX - 1}),
        (Request(karaoke=True), {"vocals": 1, "karaoke": MIX - 1}),
        (Request(without=("drums",)), {"no_drums": MIX - 10}),
        (Request(without=("other",)), {"no_other": 111}),
        (Request(mixes=(("x", ("drums", "bass")),)), {"x": 110}),
        (Request(mixes=(("x", ("drums", "drums")),)), {"x": 20}),
        (Request(stems=("bass",), karaoke=True), {"bass": 100, "vocals": 1, "karaoke": MIX - 1}),
    ],
)
def test_values(request_: Request, expected: dict[str, float]) -> None:
    made = plan(request_)
    assert {name: value(made, name, STEMS, MIX) for name in made.outputs} == expected


def test_complete_set_sums_to_the_mix_whatever_the_network_says() -> None:
    made = plan(Request())
    assert sum(value(made, name, STEMS, MIX) for name in made.outputs) == MIX


@pytest.mark.parametrize(
    ("request_", "computed"),
    [
        (Request(), ("vocals", "drums", "bass")),
        (Request(stems=("vocals",)), ("vocals",)),
        (Request(karaoke=True), ("vocals",)),
        (Request(stems=("other",)), ("vocals", "drums", "bass")),
        (Request(without=("drums",)), ("drums",)),
        (Request(mixes=(("all", FOUR.names),)), ()),
    ],
)
def test_only_what_is_needed_is_computed(request_: Request, computed: tuple[str, ...]) -> None:
    assert plan(request_).computed == computed


def test_without_a_residual_stems_are_the_network_s() -> None:
    made = plan(Request(), FREE)
    assert made.computed == ("vocals", "drums")
    assert made.weights == ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def test_unknown_stem_names_the_known() -> None:
    with pytest.raises(UsageError, match="test has no stem 'harp'; it has vocals, drums, bass"):
        plan(Request(stems=("harp",)))


def test_karaoke_needs_vocals() -> None:
    with pytest.raises(UsageError, match="no stem 'vocals'"):
        plan(Request(karaoke=True), StemSet(("kick", "snare"), "snare"))


def test_one_name_for_two_sums_is_refused() -> None:
    with pytest.raises(UsageError, match="two different outputs are called 'karaoke'"):
        plan(Request(karaoke=True, mixes=(("karaoke", ("drums",)),)))


def test_one_name_for_one_sum_twice_is_one_output() -> None:
    assert plan(Request(stems=("vocals",), karaoke=True)).outputs == ("vocals", "karaoke")


def test_parse_mix() -> None:
    assert parse_mix("a = drums + bass") == ("a", ("drums", "bass"))


@pytest.mark.parametrize("text", ["drums", "=drums", "a=", "a=drums+", ""])
def test_parse_mix_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="must look like"):
        parse_mix(text)
