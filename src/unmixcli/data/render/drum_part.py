"""The drummer's part: bars of a performance, varied, with fills where a section ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unmixcli.data.render.chance import chance
from unmixcli.data.render.grooves import Groove, Stroke
from unmixcli.data.render.notes import Hit
from unmixcli.data.render.plan import Plan, Section

_QUIETEST = 0.05


def drum_part(plan: Plan, random: np.random.Generator) -> list[Hit]:
    """All strokes of a song, in the order of time."""
    offsets = {section: int(random.integers(plan.groove.bars)) for section in plan.sections}
    period = min(plan.groove.bars, int(2 ** random.integers(1, 4)))
    hits: list[Hit] = []
    for bar, section in plan.bars_of("drums"):
        inside = bar - section.first_bar
        played = plan.groove.bar(offsets[section] + inside % period)
        if inside == section.bars - 1 and plan.fill is not None and chance(random, 0.6):
            played = _with_fill(played, plan.fill)
        if inside == 0 and section.energy > 0.6 and chance(random, 0.7):
            played = (Stroke(0.0, "crash", 0.8), *played)
        hits += [
            Hit(plan.second(bar, stroke.beat), stroke.piece, velocity)
            for stroke, velocity in _varied(played, section, random)
        ]
    return sorted(hits, key=lambda hit: (hit.start_s, hit.piece))


def _with_fill(played: tuple[Stroke, ...], fill: Groove) -> tuple[Stroke, ...]:
    """The first half of the bar as it was, then the fill's last two beats."""
    kept = tuple(stroke for stroke in played if stroke.beat < 2.0)
    return kept + tuple(stroke for stroke in fill.bar(fill.bars - 1) if stroke.beat >= 2.0)


def _varied(
    played: tuple[Stroke, ...], section: Section, random: np.random.Generator
) -> Iterator[tuple[Stroke, float]]:
    loudness = 0.75 + 0.3 * section.energy
    for stroke in played:
        velocity = float(stroke.velocity * loudness * random.uniform(0.93, 1.07))
        if velocity > _QUIETEST:
            yield stroke, min(velocity, 1.0)
