"""In which order the measures of a score are played: repeats, endings, D.C., D.S., Fine, Coda.

After a jump back (D.C., D.S.) repeats are not played again and of several endings the last one is,
as is usual. A measure is named by its place in the score, from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CAPO, SEGNO = "capo", "segno"


@dataclass(frozen=True)
class Signs:
    """What is written at a measure.

    Attributes:
        forward: whether a repeat begins with it.
        times: how often what a repeat encloses is played, if one ends with it; else 0.
        endings: numbers of the times that it belongs to; empty for all of them.
        segno: whether a D.S. leads to it.
        fine: whether a tune that goes "al Fine" ends with it.
        coda: whether a coda sign stands at its beginning.
        to_coda: whether a coda sign stands after its first note, or it says "To Coda".
        jump: where one goes after it, CAPO or SEGNO; None for on.
    """

    forward: bool = False
    times: int = 0
    endings: frozenset[int] = frozenset()
    segno: bool = False
    fine: bool = False
    coda: bool = False
    to_coda: bool = False
    jump: str | None = None


@dataclass(frozen=True)
class _Section:
    """Measures that are played together several times; `last` is inside."""

    first: int
    last: int
    times: int


def playing_order(measures: Sequence[Signs]) -> list[int]:
    """The measures in the order in which they are played.

    >>> playing_order([Signs(), Signs(times=2), Signs()])
    [0, 1, 0, 1, 2]
    """
    sections = _sections(measures)
    order = [at for section in sections for at in _repeated(measures, section)]
    jumping = next((at for at, signs in enumerate(measures) if signs.jump), None)
    if jumping is None:
        return order
    until_jump = len(order) - order[::-1].index(jumping) if jumping in order else len(order)
    return [*order[:until_jump], *_after_jump(measures, sections, jumping)]


def _sections(measures: Sequence[Signs]) -> list[_Section]:
    found: list[_Section] = []
    first = 0
    for at, signs in enumerate(measures):
        if found and at <= found[-1].last:
            continue
        # What has no repeat of its own before a repeat is played once.
        if signs.forward and at > first:
            found.append(_Section(first, at - 1, 1))
        first = at if signs.forward else first
        if signs.times:
            last = _last_ending(measures, at)
            most = max((max(s.endings, default=0) for s in measures[first : last + 1]), default=0)
            found.append(_Section(first, last, max(signs.times, most)))
            first = last + 1
    if first < len(measures):
        found.append(_Section(first, len(measures) - 1, 1))
    return found


def _last_ending(measures: Sequence[Signs], at: int) -> int:
    """Where the endings stop that go on behind the end of a repeat."""
    while at + 1 < len(measures):
        here, after = measures[at].endings, measures[at + 1]
        higher = max(after.endings, default=0) >= max(here, default=1)
        if not here or not after.endings or not higher or after.forward:
            return at
        at += 1
    return at


def _repeated(measures: Sequence[Signs], section: _Section) -> Iterator[int]:
    inside = range(section.first, section.last + 1)
    most = max((max(measures[at].endings, default=0) for at in inside), default=0)
    for time in range(1, section.times + 1):
        # A third time with two endings takes the second; a first ending alone is left out then.
        # One without a repeat is just played.
        number = (min(time, most) if most > 1 else time) if section.times > 1 else 0
        for at in inside:
            if not measures[at].endings or not number or number in measures[at].endings:
                yield at


def _after_jump(
    measures: Sequence[Signs], sections: Sequence[_Section], jumping: int
) -> Iterator[int]:
    """The measures from the beginning or the segno on, each once, until Fine or by the coda."""
    start = 0
    if measures[jumping].jump == SEGNO:
        start = next((at for at, signs in enumerate(measures) if signs.segno), 0)
    leave, coda = _coda(measures, jumping)
    last_times = [at for section in sections for at in _last_time(measures, section)]
    for at in last_times:
        if at < start or (leave is not None and leave <= at < coda):
            continue
        yield at
        if measures[at].fine:
            return


def _last_time(measures: Sequence[Signs], section: _Section) -> Iterator[int]:
    order = list(_repeated(measures, section))
    # A section's first measure begins each of its times.
    begins = len(order) - order[::-1].index(section.first) - 1 if order else 0
    yield from order[begins:]


def _coda(measures: Sequence[Signs], jumping: int) -> tuple[int | None, int]:
    """The first measure that is left out and the first of the coda; None where there is none."""
    signs = [at for at, measure in enumerate(measures) if measure.coda]
    coda = next((at for at in reversed(signs) if at > jumping), None)
    told = next((at + 1 for at, m in enumerate(measures[: jumping + 1]) if m.to_coda), None)
    leave = told if told is not None else next((at for at in signs if at <= jumping), None)
    if coda is None or leave is None:
        return None, len(measures)
    return leave, coda
