"""Box plots as SVG: quartiles, median, whiskers and outliers of each method on each stem.

As in figure 4.3 of Jansson's thesis: whiskers reach the outermost value within 1.5 interquartile
ranges of the box, values beyond are crosses. Colours come from the page's style, by class.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_PLOT_HEIGHT = 200.0
_LEFT, _TOP, _BOTTOM = 44.0, 8.0, 24.0
_BOX_WIDTH, _BOX_STEP, _GROUP_GAP = 20.0, 30.0, 34.0
_REACH = 1.5


@dataclass(frozen=True)
class Box:
    """Five numbers of a set of values, and what lies outside."""

    low: float
    first: float
    median: float
    third: float
    high: float
    outliers: tuple[float, ...]
    count: int


@dataclass(frozen=True)
class _Scale:
    """From values to heights."""

    bottom: float
    top: float

    def y(self, value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (self.top - value) / (self.top - self.bottom)


def box(values: Sequence[float]) -> Box:
    """Quartiles by linear interpolation; there must be a value, and none NaN."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    first, median, third = np.percentile(ordered, (25, 50, 75))
    reach = _REACH * (third - first)
    inside = ordered[(ordered >= first - reach) & (ordered <= third + reach)]
    outside = ordered[(ordered < first - reach) | (ordered > third + reach)]
    return Box(
        low=float(inside[0]),
        first=float(first),
        median=float(median),
        third=float(third),
        high=float(inside[-1]),
        outliers=tuple(map(float, outside)),
        count=len(ordered),
    )


def box_plot(groups: Mapping[str, Mapping[str, Sequence[float]]], *, title: str) -> str:
    """An SVG of values by stem, then method; methods without values leave a gap.

    Boxes have the class `m0`, `m1` and so on after their method's place.
    """
    methods = list(dict.fromkeys(name for group in groups.values() for name in group))
    boxes = {
        (stem, method): box(values)
        for stem, group in groups.items()
        for method, values in group.items()
        if len(values)
    }
    scale = _scale(boxes.values())
    group_width = _BOX_STEP * len(methods)
    width = _LEFT + _GROUP_GAP + len(groups) * (group_width + _GROUP_GAP)
    height = _TOP + _PLOT_HEIGHT + _BOTTOM
    parts = [_grid(scale, width=width)]
    for at, stem in enumerate(groups):
        left = _LEFT + _GROUP_GAP + at * (group_width + _GROUP_GAP)
        middle = left + (group_width - _BOX_STEP + _BOX_WIDTH) / 2
        parts.append(_text(middle, height - 6, stem, anchor="middle"))
        for number, method in enumerate(methods):
            if (stem, method) in boxes:
                name = f"{method}, {stem}"
                x = left + number * _BOX_STEP
                parts.append(_drawn(boxes[stem, method], scale, x=x, place=number, name=name))
    label = html.escape(f"{title} by stem and method", quote=True)
    return (
        f'<svg class="box" role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">{"".join(parts)}</svg>'
    )


def ticks(bottom: float, top: float, *, about: int = 6) -> list[float]:
    """Round numbers from `bottom` to `top`."""
    rough = (top - bottom) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(bottom / step - 1e-9)
    last = math.floor(top / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _scale(boxes: Iterable[Box]) -> _Scale:
    values = [v for b in boxes for v in (b.low, b.high, *b.outliers)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    return _Scale(low - margin, high + margin)


def _grid(scale: _Scale, *, width: float) -> str:
    lines = []
    for value in ticks(scale.bottom, scale.top):
        y = scale.y(value)
        kind = "zero" if value == 0 else "grid"
        lines.append(
            f'<line class="{kind}" x1="{_LEFT:g}" x2="{width:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        lines.append(_text(_LEFT - 6, y + 4, f"{value:g}".replace("-", "−"), anchor="end"))
    return "".join(lines)


def _drawn(drawn: Box, scale: _Scale, *, x: float, place: int, name: str) -> str:
    middle, right = x + _BOX_WIDTH / 2, x + _BOX_WIDTH
    y = {key: scale.y(getattr(drawn, key)) for key in ("low", "first", "median", "third", "high")}
    told = html.escape(
        f"{name}: median {drawn.median:.2f}, quartiles {drawn.first:.2f} to {drawn.third:.2f}, "
        f"whiskers {drawn.low:.2f} to {drawn.high:.2f}, {drawn.count} tracks"
    )
    height = max(1.0, y["first"] - y["third"])
    crosses = "".join(_cross(middle, scale.y(value)) for value in drawn.outliers)
    return (
        f'<g class="m{place}"><title>{told}</title>'
        f'<line class="whisker" x1="{middle:g}" x2="{middle:g}" '
        f'y1="{y["high"]:.1f}" y2="{y["third"]:.1f}"/>'
        f'<line class="whisker" x1="{middle:g}" x2="{middle:g}" '
        f'y1="{y["first"]:.1f}" y2="{y["low"]:.1f}"/>'
        f'<rect x="{x:g}" y="{y["third"]:.1f}" width="{_BOX_WIDTH:g}" height="{height:.1f}" '
        f'rx="2"/><line class="median" x1="{x:g}" x2="{right:g}" '
        f'y1="{y["median"]:.1f}" y2="{y["median"]:.1f}"/>{crosses}</g>'
    )


def _cross(x: float, y: float) -> str:
    return f'<path class="whisker" d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"/>'


def _text(x: float, y: float, words: str, *, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
