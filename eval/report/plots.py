"""The drawings that belong to one kind of task: reliability, risk, shots, predicted numbers.

Each takes the rows or the material of a task as they are stored and draws nothing, rather than fail,
where a value is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.report.drawings import Chart, Frame, chart
from eval.report.wording import finite, is_control, metric_name

Row = Mapping[str, Any]

MOST_MARKS = 800
_SHARE = (0.0, 1.0)
_SQUARE = 430.0


def reliability(bins: Sequence[Row]) -> Chart | None:
    """Draw how often what was said with a confidence came true; ideal is the diagonal."""
    held = [part for part in bins if finite(part.get("n")) != 0]
    points = _points(held, "confidence", "accuracy")
    frame = Frame("came true", _SHARE, _SHARE, diagonal=True, height=_SQUARE)
    return chart("Reliability", {"bins": points}, x_name="stated confidence", frame=frame)


def over_coverage(curves: Any) -> Chart | None:
    """Draw the error, or else the accuracy, of the most confident answers as ever more are given.

    Args:
        curves: points {"coverage", "risk"} or {"coverage", "accuracy"} of one curve, or such points
            by name of the curve.
    """
    named = curves if isinstance(curves, Mapping) else {"all queries": curves}
    listed = {
        str(name): points
        for name, points in named.items()
        if isinstance(points, Sequence) and not isinstance(points, str)
    }
    for key, y_name in (("risk", "error"), ("accuracy", "accuracy")):
        lines = {name: _points(points, "coverage", key) for name, points in listed.items()}
        drawing = chart("Coverage", lines, x_name="share answered", frame=Frame(y_name, _SHARE))
        if drawing is not None:
            return drawing
    return None


def over_k(rows: Iterable[Row], x_name: str) -> Iterable[tuple[str, Chart]]:
    """Draw each metric of the trained model that has three or more k, a line per pool."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        if finite(row.get("k")) is not None and not is_control(row) and not _is_spread(row):
            name = metric_name({**row, "k": None})
            kind = str(row.get("pool") or row.get("score") or name)
            groups.setdefault(name, {}).setdefault(kind, []).append(row)
    for name, kinds in groups.items():
        if max(len({row["k"] for row in line}) for line in kinds.values()) < 3:
            continue
        ordered = {kind: sorted(line, key=lambda row: row["k"]) for kind, line in kinds.items()}
        drawing = chart(
            name, {kind: _points(line, "k", "value") for kind, line in ordered.items()},
            x_name=x_name, frame=Frame(name),
            whiskers={kind: _whiskers(line) for kind, line in ordered.items()},
        )  # fmt: skip
        if drawing is not None:
            yield name, drawing


def predicted(cases: Sequence[Row]) -> Chart | None:
    """Draw predicted numbers against true ones; every so many where there are many."""
    stride = max(1, -(-len(cases) // MOST_MARKS))
    points = _points(cases[::stride], "truth", "prediction")
    ends = [value for point in points for value in point]
    span = (min(ends), max(ends)) if ends else _SHARE
    frame = Frame("predicted", span, span, diagonal=True, joined=False, height=_SQUARE)
    return chart("Predicted and true", {"samples": points}, x_name="true", frame=frame)


def spectrum(variances: Any) -> Chart | None:
    """Draw the variance of the first components, a line per modality."""
    named = variances if isinstance(variances, Mapping) else {"all": variances}
    lines = {
        str(name): [(float(i), y) for i, value in enumerate(values, start=1)
                    if (y := finite(value)) is not None]
        for name, values in named.items()
        if isinstance(values, Sequence) and not isinstance(values, str)
    }  # fmt: skip
    frame = Frame("variance")
    return chart("Spectrum", lines, x_name="component", frame=frame)


def _is_spread(row: Row) -> bool:
    return str(row.get("metric", "")).endswith("_sd")


def _points(rows: Iterable[Any], x_key: str, y_key: str) -> list[tuple[float, float]]:
    """Read points from mappings, or from pairs."""
    found = []
    for row in rows:
        if isinstance(row, Mapping):
            x, y = finite(row.get(x_key)), finite(row.get(y_key))
        elif isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2:
            x, y = finite(row[0]), finite(row[1])
        else:
            continue
        if x is not None and y is not None:
            found.append((x, y))
    return found


def _whiskers(rows: Iterable[Row]) -> list[tuple[float, float, float]]:
    ends = ((float(r["k"]), finite(r.get("ci_low")), finite(r.get("ci_high"))) for r in rows)
    return [(k, low, high) for k, low, high in ends if low is not None and high is not None]
