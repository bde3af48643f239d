from __future__ import annotations

from xml.etree import ElementTree

import pytest

from unmixcli.evaluation.boxplot import box, box_plot, ticks


def test_the_five_numbers_and_what_lies_outside() -> None:
    found = box([1, 2, 3, 4, 5, 100, -50])
    assert (found.first, found.median, found.third) == (1.5, 3, 4.5)
    assert (found.low, found.high) == (1, 5)
    assert found.outliers == (-50, 100)
    assert found.count == 7


def test_one_value_is_a_line() -> None:
    found = box([2.0])
    assert (found.low, found.first, found.median, found.third, found.high) == (2.0,) * 5


@pytest.mark.parametrize(
    ("bottom", "top", "wanted"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (-0.4, 0.7, [-0.4, -0.2, 0, 0.2, 0.4, 0.6])],
)
def test_ticks_are_round(bottom: float, top: float, wanted: list[float]) -> None:
    assert ticks(bottom, top) == pytest.approx(wanted)


def test_a_plot_is_sound_svg_with_a_box_a_method_and_stem() -> None:
    groups = {"vocals <&>": {"ours": [1.0, 2.0, 30.0], "best": []}, "bass": {"best": [5.0]}}
    root = ElementTree.fromstring(box_plot(groups, title='"SDR"'))
    boxes = {(g.get("class"), g.findtext("title")) for g in root.iter("g")}
    assert {kind for kind, _ in boxes} == {"m0", "m1"}
    assert any(title.startswith("ours, vocals <&>: median 2.00") for _, title in boxes if title)
    assert len(list(root.iter("rect"))) == 2


def test_higher_scores_are_higher() -> None:
    root = ElementTree.fromstring(box_plot({"a": {"m": [1.0], "n": [2.0]}}, title="SDR"))
    medians = [line for line in root.iter("line") if line.get("class") == "median"]
    one, other = (float(line.get("y1", "")) for line in medians)
    assert other < one


def test_equal_scores_have_a_scale() -> None:
    root = ElementTree.fromstring(box_plot({"a": {"m": [3.0, 3.0]}}, title="SDR"))
    assert len(list(root.iter("rect"))) == 1
