"""The drawing of the two-dimensional map of the space, twice: by modality, by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from eval.report.wording import finite

SIDE = 400.0
MOST_LABELS = 7
MOST_LETTERS = 62
_EDGE = 12.0
OTHER = "other or none"


@dataclass(frozen=True)
class Dot:
    """A point: place, colour number, shape number, and what pointing at it says."""

    x: float
    y: float
    colour: int
    shape: int
    name: str
    label: str


@dataclass(frozen=True)
class Key:
    """One entry of the legend."""

    name: str
    colour: int
    shape: int


@dataclass(frozen=True)
class Scatter:
    """One map: dots, the legend that reads them, and how the ids of dots begin, if they have any."""

    title: str
    dots: tuple[Dot, ...]
    legend: tuple[Key, ...]
    anchor: str = ""
    kind: ClassVar[str] = "scatter"


def by_modality(points: Sequence[Mapping[str, Any]]) -> Scatter | None:
    """Draw the map with a colour and a shape per modality; None without points."""
    names = _in_order(str(point.get("modality", "")) for point in points)
    keys = tuple(Key(name, i % 8, i % 4) for i, name in enumerate(names))
    return _draw("By modality", points, {key.name: key for key in keys}, "modality")


def by_label(points: Sequence[Mapping[str, Any]]) -> Scatter | None:
    """Draw the map with a colour per frequent label; None when fewer than two labels occur."""
    counts = Counter(str(point["label"]) for point in points if point.get("label"))
    if len(counts) < 2:
        return None
    common = sorted(sorted(counts), key=lambda name: -counts[name])[:MOST_LABELS]
    keys = [Key(name, i % 8, 0) for i, name in enumerate(sorted(common))]
    if any(str(point.get("label") or "") not in common for point in points):
        keys.append(Key(OTHER, 8, 0))
    return _draw("By label", points, {key.name: key for key in keys}, "label")


def _draw(
    title: str, points: Sequence[Mapping[str, Any]], keys: Mapping[str, Key], column: str
) -> Scatter | None:
    kept = [
        (x, y, point)
        for point in points
        if (x := finite(point.get("x"))) is not None and (y := finite(point.get("y"))) is not None
    ]
    if not kept:
        return None
    xs, ys = [x for x, _, _ in kept], [y for _, y, _ in kept]
    middle_x, middle_y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    scale = (SIDE - 2 * _EDGE) / (max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0)
    dots = []
    for x, y, point in kept:
        key = keys.get(str(point.get(column) or "")) or keys[OTHER]
        place = SIDE / 2 + scale * (x - middle_x), SIDE / 2 - scale * (y - middle_y)
        dots.append(
            Dot(round(place[0], 1), round(place[1], 1), key.colour, key.shape,
                _cut(f"{point.get('modality') or ''} {point.get('id') or ''}".strip()),
                _cut(str(point.get("label") or "")))
        )  # fmt: skip
    return Scatter(title, tuple(dots), tuple(keys.values()), "p" if column == "modality" else "")


def _cut(text: str) -> str:
    """Shorten a text to what the line below the map holds."""
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _in_order(names: Any) -> list[str]:
    return list(dict.fromkeys(names))
