"""The table of pitch: rows, means, verdicts that follow from the numbers, what is left out."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.pitch_scores import ALONE, BACKED, SUNG, Curves, Reference
from benchmarks.pitch_table import (
    AFTER,
    JOINT,
    MODELS,
    OTHER,
    OWN_AFTER,
    SEPARATORS,
    TEACHER,
    TEACHER_ON_MIX,
    TWIN,
    Plan,
    Row,
    by_group,
    case_of,
    page,
    plans,
    row_of,
    section,
    trackers_on_truth,
    verdicts,
)
from unmixcli.metrics.melody import SHORT_NAMES
from unmixcli.pitch.f0 import F0

GROUPS = {ALONE: ["solo"], BACKED: ["over"], SUNG: ["one", "two"]}
SOME = Reference(np.arange(4) / 100, np.array([0, 220.0, 220, 220]))
HALF = Reference(SOME.times_s, SOME.f0_hz, np.array([True, False] * 4))


def row(name: str, role: str, *oa: float, rpa: float = 0.5, viterbi: bool = False) -> Row:
    """Overall accuracies of solo, over, one and two."""
    names = [name for group in GROUPS.values() for name in group]
    rest = dict.fromkeys(SHORT_NAMES.values(), 0.25)
    scores = {n: {**rest, "OA": v, "RPA": rpa} for n, v in zip(names, oa, strict=True)}
    return Row(name, role, viterbi, scores)


def test_rows_are_the_methods_and_their_combinations() -> None:
    found = plans(MODELS, SEPARATORS)
    assert len({plan.name for plan in found}) == len(found)
    by_role = {role: [p for p in found if p.role == role] for role in (JOINT, TWIN, AFTER)}
    for role in (JOINT, TWIN):
        assert [plan.viterbi for plan in by_role[role]] == [False, True]
    assert {(p.model, p.separator) for p in by_role[AFTER]} == {
        (tracker, separator) for tracker in ("pyin", "swiftf0") for separator in SEPARATORS
    }
    own = [p for p in found if p.role == OWN_AFTER]
    assert [(p.model, p.separator) for p in own] == [("swiftf0", "vocal-pitch")]
    heard = {(p.separator, p.viterbi) for p in found if p.model == TEACHER}
    assert heard == {(s, v) for s in (None, SEPARATORS[0]) for v in (False, True)}
    assert any((p.model, p.separator) == ("pyin", None) for p in found)


def test_what_is_not_installed_has_no_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path))
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    assert case_of(Plan("row", JOINT, "no-such-model")) is None
    assert case_of(Plan("row", OTHER, TEACHER)) is None
    assert case_of(Plan("row", AFTER, "pyin", "htdemucs")) is None
    case = case_of(Plan("row", AFTER, "pyin", "unmix-small"))
    assert case is not None
    assert case.choice.options.stem == "vocals"
    assert case_of(Plan("row", OTHER, "pyin")).of != case.of
    assert [tracker.on_truth for tracker in trackers_on_truth()] == [True, True]


def test_tracks_without_singing_are_left_out() -> None:
    items = [SimpleNamespace(name=n, group=SUNG) for n in ("one", "silent")]
    silent = Reference(SOME.times_s, np.zeros(4))
    found = by_group(items, lambda item: silent if item.name == "silent" else SOME)
    assert {group: list(tracks) for group, tracks in found.items()} == {
        ALONE: [],
        BACKED: [],
        SUNG: ["one"],
    }


def test_cells_are_means_over_the_tracks_of_the_group() -> None:
    rows = [row("ours", JOINT, 0.9, 0.8, 0.5, 0.6, rpa=0.7)]
    text = section(SUNG, rows, {"one": HALF, "two": HALF})
    assert "| ours | 0.550 | 0.700 | 0.250 | 0.250 | 0.250 |" in text
    assert "| *thesis, iKala: S→P→S→P* | 0.817 | 0.851 |  |  |  |" in text
    assert "one 50% kept, 75% voiced" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    alone = section(ALONE, rows, {"solo": SOME})
    assert "| ours | 0.900 |" in alone
    assert "thesis" not in alone
    assert "kept" not in alone


RIVALS = [
    row("weak, then pYIN", AFTER, 1.0, 0.1, 0.1, 0.1),
    row("strong, then pYIN", AFTER, 0.0, 0.5, 0.5, 0.8),
    row("own, then SwiftF0", OWN_AFTER, 0.0, 0.3, 0.3, 0.3),
    row("teacher, mix", TEACHER_ON_MIX, 0.0, 0.9, 0.9, 0.9, rpa=0.4),
    row("teacher, mix, Viterbi", TEACHER_ON_MIX, 0.0, 0.9, 0.9, 0.9, rpa=0.375, viterbi=True),
]


@pytest.mark.parametrize(
    ("oa", "rpa", "expected"),
    [
        (0.7, 0.5, ("met", "met", "yes")),
        (0.6, 0.4, ("not met", "not met", "yes")),
        (0.2, 0.41, ("not met", "met", "no")),
    ],
)
def test_verdicts_follow_from_the_numbers(oa: float, rpa: float, expected: tuple[str, ...]) -> None:
    joint = row("ours", JOINT, 0.0, oa, oa, oa, rpa=rpa)
    better = row("ours, Viterbi", JOINT, 1.0, 1.0, 1.0, 1.0, rpa=1.0, viterbi=True)
    lines = verdicts([better, joint, *RIVALS], GROUPS)
    assert tuple(re.findall(r": ([a-z ]+)\.\*\*", "\n".join(lines))) == expected
    assert f"all 3 mixes {oa:.3f} and 0.600" in lines[0]
    assert "`strong, then pYIN`" in lines[0]
    assert f"sung songs {oa:.3f} and 0.650" in lines[0]
    assert "`teacher, mix`:" in lines[1]
    assert "`own, then SwiftF0`" in lines[2]


def test_gains_of_viterbi_are_differences_with_signs() -> None:
    rows = [row("ours", JOINT, 0, 0.5, 0.5, 0.5), *RIVALS]
    rows.insert(1, row("ours, Viterbi", JOINT, 0, 0.625, 0.5, 0.5, rpa=0.625, viterbi=True))
    line = verdicts(rows, GROUPS)[-1]
    assert "all 3 mixes: `ours` OA +0.042, RPA +0.125;" in line
    assert "`teacher, mix` OA +0.000, RPA −0.025." in line


def test_a_twin_is_compared_once_it_is_there() -> None:
    joint = row("ours", JOINT, 0, 0.5, 0.5, 0.5)
    assert not any("twin" in line for line in verdicts([joint, *RIVALS], GROUPS))
    twin = row("twin", TWIN, 0, 0.5, 0.5, 0.4)
    lines = verdicts([joint, twin, *RIVALS], GROUPS)
    assert any("separately trained twin: yes.**" in line for line in lines)


def test_without_the_joint_model_nothing_is_claimed() -> None:
    lines = verdicts(RIVALS, GROUPS)
    assert lines[0] == "The joint model is not installed: the aims are open."
    assert not any("met" in line for line in lines)


def test_shares_of_voiced_frames_where_nobody_sings(tmp_path: Path) -> None:
    curves, case = Curves(tmp_path), case_of(Plan("row", OTHER, "swiftf0"))
    assert case is not None
    items = [SimpleNamespace(name=name, of=name) for name in ("one", "still")]
    for item, hz in zip(items, ([0, 220, 220, 220], [0, 0, 110, 0]), strict=True):
        curves.write(case, item, F0(SOME.times_s, np.array(hz, float), np.ones(4)))
    found = row_of(Plan("row", OTHER, "swiftf0"), case, items, curves=curves, truths={"one": SOME})
    assert found.scores.keys() == {"one"}
    assert found.scores["one"]["OA"] == 1
    assert found.unsung == {"still": 0.25}
    text = page([found], {SUNG: {"one": SOME}}, absent=[], unsung=["still"])
    assert "### Frames found voiced where nobody sings" in text
    assert "| row | 25.0% |" in text
    assert "nobody sings" not in page([found], {SUNG: {"one": SOME}}, absent=[])


def test_the_page_says_what_is_left_out() -> None:
    references = {ALONE: {"solo": SOME}, BACKED: {}, SUNG: {"one": HALF, "two": HALF}}
    text = page(RIVALS, references, absent=["`vocal-pitch`"])
    assert "not installed: `vocal-pitch`." in text
    assert text.count("###") == 2
    assert "not installed: `" not in page(RIVALS, references, absent=[])
