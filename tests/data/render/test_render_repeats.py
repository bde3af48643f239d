"""In which order measures are played, from signs and from scores."""

from __future__ import annotations

import pytest

from data.render.sounds_for_tests import score_bytes
from unmixcli.data.render.musicxml import read_lead_sheet
from unmixcli.data.render.repeats import CAPO, SEGNO, Signs, playing_order

STEPS = "CDEFGAB"
PLAIN = Signs()


def ending(*numbers: int, times: int = 0, jump: str | None = None) -> Signs:
    return Signs(endings=frozenset(numbers), times=times, jump=jump)


@pytest.mark.parametrize(
    ("measures", "order"),
    [
        ([PLAIN] * 3, [0, 1, 2]),
        ([PLAIN, Signs(times=2), PLAIN], [0, 1, 0, 1, 2]),
        ([PLAIN, Signs(forward=True), Signs(times=2)], [0, 1, 2, 1, 2]),
        ([PLAIN, Signs(forward=True, times=4)], [0, 1, 1, 1, 1]),
        ([Signs(times=2), PLAIN, Signs(times=2)], [0, 0, 1, 2, 1, 2]),
        ([Signs(forward=True), PLAIN, Signs(forward=True, times=2)], [0, 1, 2, 2]),
        ([PLAIN, ending(1, times=2), ending(2), PLAIN], [0, 1, 0, 2, 3]),
        ([PLAIN, ending(1, times=2), PLAIN], [0, 1, 0, 2]),
        ([PLAIN, ending(1), ending(1, times=2), ending(2), ending(2)], [0, 1, 2, 0, 3, 4]),
        ([PLAIN, ending(1, 2, times=2), ending(3)], [0, 1, 0, 1, 0, 2]),
        ([PLAIN, ending(1, times=2), ending(2, times=2), ending(3)], [0, 1, 0, 2, 0, 3]),
        (
            [PLAIN, ending(1, times=2), ending(2), PLAIN, ending(1, times=2), ending(2)],
            [0, 1, 0, 2, 3, 4, 3, 5],
        ),
        ([Signs(fine=True), Signs(jump=CAPO)], [0, 1, 0]),
        ([PLAIN, Signs(segno=True), Signs(fine=True), Signs(jump=SEGNO)], [0, 1, 2, 3, 1, 2]),
        ([Signs(times=2), Signs(fine=True), Signs(jump=CAPO)], [0, 0, 1, 2, 0, 1]),
        (
            [PLAIN, ending(1, times=2), ending(2), Signs(jump=CAPO, fine=True)],
            [0, 1, 0, 2, 3, 0, 2, 3],
        ),
        (
            [PLAIN, Signs(to_coda=True), PLAIN, Signs(jump=CAPO), Signs(coda=True), PLAIN],
            [0, 1, 2, 3, 0, 1, 4, 5],
        ),
        (
            [PLAIN, Signs(segno=True), Signs(coda=True), Signs(jump=SEGNO), Signs(coda=True)],
            [0, 1, 2, 3, 1, 4],
        ),
        ([PLAIN, ending(1, times=2), ending(2, jump=CAPO), PLAIN], [0, 1, 0, 2, 0, 2, 3]),
        ([], []),
    ],
)
def test_measures_are_played_in_this_order(measures: list[Signs], order: list[int]) -> None:
    assert playing_order(measures) == order


def bar_line(inside: str) -> str:
    return f"<barline>{inside}</barline>"


def words(text: str) -> str:
    return f"<direction><direction-type><words>{text}</words></direction-type></direction>"


FORWARD = bar_line("<repeat direction='forward'/>")
BACKWARD = bar_line("<repeat direction='backward'/>")
SEGNO_SIGN, CODA_SIGN = (
    f"<direction><direction-type><{sign}/></direction-type></direction>"
    for sign in ("segno", "coda")
)


def opened(numbers: str) -> str:
    return bar_line(f"<ending number='{numbers}' type='start'/>")


def closed(numbers: str, *, kind: str = "stop", repeat: bool = False) -> str:
    again = "<repeat direction='backward'/>" if repeat else ""
    return bar_line(f"<ending number='{numbers}' type='{kind}'/>{again}")


def played(signs: dict[int, tuple[str, str]], *, bars: int = 5) -> str:
    """The roots in the order in which a score with signs before and after its notes has them."""
    text = score_bytes([(STEPS[at], "major") for at in range(bars)]).decode()
    measures = text.split("</measure>")
    for at, (before, after) in signs.items():
        head, tail = measures[at].split("<harmony>", 1)
        measures[at] = f"{head}{before}<harmony>{tail}{after}"
    sheet = read_lead_sheet("</measure>".join(measures).encode(), title="tune")
    assert sheet is not None
    roots = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}
    return "".join(roots[bar.chords[0][1].root] for bar in sheet.bars)


@pytest.mark.parametrize(
    ("signs", "order"),
    [
        ({}, "CDEFG"),
        ({1: (FORWARD, ""), 2: ("", BACKWARD)}, "CDEDEFG"),
        ({1: ("", bar_line("<repeat direction='backward' times='3'/>"))}, "CDCDCDEFG"),
        (
            {1: (opened("1"), closed("1", repeat=True)), 2: (opened("2"), closed("2"))},
            "CDCEFG",
        ),
        (
            {
                1: (opened("1, 2"), closed("1, 2", repeat=True)),
                2: (opened("3"), closed("3", kind="discontinue")),
            },
            "CDCDCEFG",
        ),
        (
            {1: (opened("1"), ""), 2: ("", closed("1", repeat=True)), 3: (opened("2"), "")},
            "CDECFG",
        ),
        ({1: ("", words("Fine")), 4: ("", words("D.C. al Fine"))}, "CDEFGCD"),
        ({1: ("", words("(fine)")), 4: ("", words("D.C.alfine"))}, "CDEFGCD"),
        ({1: (SEGNO_SIGN, ""), 2: ("", words("Fine")), 4: ("", words("D.S. al Fine"))}, "CDEFGDE"),
        ({1: ("", CODA_SIGN), 3: ("", words("D.C. al Coda")), 4: (CODA_SIGN, "")}, "CDEFCDG"),
        ({1: ("", words("To Coda")), 3: ("", words("D.C.alCoda")), 4: (CODA_SIGN, "")}, "CDEFCDG"),
        ({1: ("<sound fine='yes'/>", ""), 4: ("", "<sound dacapo='yes'/>")}, "CDEFGCD"),
        ({0: (words("D. Schmidt's tune, Confine"), "")}, "CDEFG"),
    ],
)
def test_scores_are_read_as_they_are_played(signs: dict[int, tuple[str, str]], order: str) -> None:
    assert played(signs) == order


def test_a_bar_without_a_chord_keeps_its_written_one_when_it_comes_again() -> None:
    text = score_bytes([("C", "major"), ("F", ""), ("G", "major"), ("C", "major")]).decode()
    measures = text.split("</measure>")
    measures[2] += BACKWARD
    sheet = read_lead_sheet("</measure>".join(measures).encode(), title="tune")
    assert sheet is not None
    assert [bar.chords[0][1].root for bar in sheet.bars] == [0, 0, 7, 0, 0, 7, 0]
