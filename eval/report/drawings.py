"""The geometry of the report's drawings: places and sizes in SVG units, no markup.

Templates turn these into inline SVG, so every text passes the same escaping as the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from eval.report.wording import LOWER_IS_BETTER, count, finite, interval, metric_name, number

HEAT_CLASSES = 24
CURVE_POINTS = 300
CHART_WIDTH, CHART_HEIGHT = 520.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 12.0, 34.0


@dataclass(frozen=True)
class Bar:
    """A value, its interval and chance on an axis from 0 to 100; None where not known."""

    at: float
    low: float | None
    high: float | None
    chance: float | None
    words: str


@dataclass(frozen=True)
class Cell:
    """One field of a heat table; `share` of its row sets the depth of its colour."""

    x: float
    y: float
    share: float
    text: str
    words: str


@dataclass(frozen=True)
class Heat:
    """A confusion matrix: rows are the truth, columns the prediction."""

    classes: tuple[str, ...]
    cells: tuple[Cell, ...]
    side: float
    margin: float
    top: float
    right: float
    kind: ClassVar[str] = "heat"


@dataclass(frozen=True)
class Series:
    """A line of a chart: SVG points, where to mark single measurements, and their intervals.

    A mark is (x, y, words), a whisker (x, low, high).
    """

    name: str
    points: str
    marks: tuple[tuple[float, float, str], ...] = ()
    whiskers: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Frame:
    """How a chart is framed where its data alone should not decide.

    Attributes:
        y_name: what the upright axis shows.
        x_span, y_span: ends of the axes; None takes those of the data.
        diagonal: draw the line on which x equals y.
        joined: draw lines between the points.
        height: of the drawing.
    """

    y_name: str = ""
    x_span: tuple[float, float] | None = None
    y_span: tuple[float, float] | None = None
    diagonal: bool = False
    joined: bool = True
    height: float = CHART_HEIGHT


@dataclass(frozen=True)
class Chart:
    """Lines over one axis, with ticks as (place, text)."""

    title: str
    series: tuple[Series, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    x_name: str
    y_name: str = ""
    height: float = CHART_HEIGHT
    diagonal: str = ""
    kind: ClassVar[str] = "chart"


def bar(row: Mapping[str, Any]) -> Bar | None:
    """Draw a metric row whose values are shares; None for ranks and other unbounded numbers."""
    value, chance = finite(row.get("value")), finite(row.get("chance"))
    low, high = finite(row.get("ci_low")), finite(row.get("ci_high"))
    known = [number for number in (value, chance, low, high) if number is not None]
    unbounded = str(row.get("metric", "")).partition("@")[0] in LOWER_IS_BETTER
    unbounded = unbounded or row.get("task") == "diagnostics"
    if value is None or unbounded or min(known) < 0 or max(known) > 1 or row.get("compared_to"):
        return None
    words = f"{metric_name(row)} {number(value)}"
    words += f", 95 % interval {interval(row)}" if interval(row) else ", no interval"
    words += f", chance {number(chance)}" if chance is not None else ""
    return Bar(
        at=round(100 * value, 2), low=_percent(low), high=_percent(high), chance=_percent(chance),
        words=words,
    )  # fmt: skip


def heat(classes: Sequence[str], confusion: Sequence[Sequence[float]]) -> Heat | None:
    """Lay out a confusion matrix; None when it is empty, ragged or too large to read."""
    size = len(classes)
    if not 0 < size <= HEAT_CLASSES or len(confusion) != size:
        return None
    if any(len(row) != size for row in confusion):
        return None
    side = 46.0 if size <= 8 else 34.0
    cells = [
        Cell(
            x=j * side, y=i * side, share=round(_share(value, row), 4), text=count(value),
            words=f"{classes[i]} called {classes[j]}: {count(value)} of {count(sum(row))}",
        )
        for i, row in enumerate(confusion)
        for j, value in enumerate(row)
    ]  # fmt: skip
    longest = min(max(len(str(name)) for name in classes), 18)
    margin = 24.0 + 6.6 * longest
    slant = min(len(str(classes[-1])), 18) * 5.6 - side / 2
    return Heat(
        tuple(map(str, classes)), tuple(cells), side, margin, top=34.0 + 5.0 * longest,
        right=round(max(16.0, 16.0 + slant), 1),
    )  # fmt: skip


Intervals = Mapping[str, Sequence[tuple[float, float, float]]]


def chart(
    title: str, lines: Mapping[str, Sequence[tuple[float, float]]], *, x_name: str,
    frame: Frame | None = None, whiskers: Intervals | None = None,
) -> Chart | None:  # fmt: skip
    """Lay out lines of (x, y); short lines get marks. None when nothing is finite.

    Args:
        title: what is drawn.
        lines: points by name of the line.
        x_name: what the level axis shows.
        frame: axes and helping lines.
        whiskers: (x, low, high) by name of the line.
    """
    frame, spread = frame or Frame(), whiskers or {}
    kept = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in lines.items()
    }
    kept = {name: points for name, points in kept.items() if points}
    if not kept:
        return None
    xs = frame.x_span or [x for points in kept.values() for x, _ in points]
    ys = frame.y_span or [
        *(y for points in kept.values() for _, y in points),
        *(end for name in kept for _, *ends in spread.get(name, ()) for end in ends),
    ]
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    place = _Place((x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1]), frame.height)
    ends = [
        place.at(end, end) for end in (max(x_ticks[0], y_ticks[0]), min(x_ticks[-1], y_ticks[-1]))
    ]
    return Chart(
        title=title,
        series=tuple(
            _series(name, points, place, frame=frame, whiskers=spread.get(name, ()))
            for name, points in kept.items()
        ),
        x_ticks=tuple((place.at(x, y_ticks[0])[0], f"{x:g}") for x in x_ticks),
        y_ticks=tuple((place.at(x_ticks[0], y)[1], f"{y:g}") for y in y_ticks),
        x_name=x_name,
        y_name=frame.y_name,
        height=frame.height,
        diagonal=" ".join(f"{x},{y}" for x, y in ends) if frame.diagonal else "",
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round places that span `low` to `high`, at most a few.

    >>> ticks(0.0, 9.3)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / most
    base = 10.0 ** math.floor(math.log10(rough))
    step = next(base * factor for factor in (1, 2, 5, 10) if base * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


@dataclass(frozen=True)
class _Place:
    """Where values lie on a chart."""

    x_span: tuple[float, float]
    y_span: tuple[float, float]
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return a point's place in SVG units."""
        return (
            _scale(x, self.x_span, (_LEFT, CHART_WIDTH - _RIGHT)),
            _scale(y, self.y_span, (self.height - _BOTTOM, _TOP)),
        )


def _series(
    name: str, points: Sequence[tuple[float, float]], place: _Place, *, frame: Frame,
    whiskers: Sequence[tuple[float, float, float]],
) -> Series:  # fmt: skip
    stride = max(1, math.ceil(len(points) / CURVE_POINTS)) if frame.joined else 1
    kept = [*points[::stride], *([points[-1]] if (len(points) - 1) % stride else [])]
    placed = [place.at(x, y) for x, y in kept]
    marks = [
        (*at, f"{name}: {number(y)} at {x:g}")
        for at, (x, y) in zip(placed, kept, strict=True)
        if len(kept) <= 60 or not frame.joined
    ]
    line = " ".join(f"{x},{y}" for x, y in placed) if frame.joined else ""
    bars = tuple((*place.at(x, low), place.at(x, high)[1]) for x, low, high in whiskers)
    return Series(name, line, tuple(marks), bars)


def _scale(value: float, span: tuple[float, float], to: tuple[float, float]) -> float:
    share = (value - span[0]) / (span[1] - span[0]) if span[1] > span[0] else 0.5
    return round(to[0] + share * (to[1] - to[0]), 1)


def _share(value: float, row: Sequence[float]) -> float:
    total = sum(row)
    return value / total if total else 0.0


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)
