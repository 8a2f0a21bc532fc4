"""Section 6: which towers, with which weights, prompts and machine, and how training went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from eval.report.blocks import Block, Facts, Figure, Missing, Table, Verbatim
from eval.report.data import ReportData
from eval.report.drawings import chart
from eval.report.scatter import by_label, by_modality
from eval.report.sections.cohort import numbers
from eval.report.wording import count, finite, number

_TOWER = ("encoder", "weights", "base_digest", "adapt", "trained_parameters", "total_parameters")
# what other tables and sections show of the record
_OWN_TABLES = frozenset(
    {"stages", "towers", "versions", "flow", "splits", "flags", "leakage", "name", "digest", "seed"}
)


def model(data: ReportData) -> list[Block]:
    """Return towers, provenance, prompts, training curves, the map and the pipeline file."""
    return [
        _towers(data.record.get("towers") or {}),
        _provenance(data),
        *_versions(data.record),
        *_stages(data.record.get("stages") or {}),
        *_prompts(data.extras),
        *_curves(data),
        *_maps(data.space_map),
        Verbatim("The pipeline file as resolved", data.pipeline),
    ]


def _towers(towers: Mapping[str, Mapping[str, Any]]) -> Block:
    if not towers:
        return Missing("the provenance of the towers")
    rows = tuple((name, *_tower(tower)) for name, tower in towers.items())
    columns = (
        "modality",
        "encoder",
        "weights",
        "base digest",
        "adapted by",
        "trained",
        "of",
        "share",
    )
    return Table("Towers", columns, rows, frozenset({5, 6, 7}))


def _tower(tower: Mapping[str, Any]) -> tuple[str, ...]:
    trained, total = finite(tower.get("trained_parameters")), finite(tower.get("total_parameters"))
    share = f"{100 * trained / total:.2f} %" if trained is not None and total else ""
    words = (flat(tower.get(key)) for key in _TOWER[:2])
    digest = str(tower.get("base_digest") or "")[:16]
    return (*words, digest, _adapted(tower.get("adapt")), count(trained), count(total), share)


def _adapted(given: Any) -> str:
    """Write how a tower was adapted, "lora: rank 4, alpha 8", without what was left at nothing."""
    if not isinstance(given, str):
        return flat(given)
    try:
        value = json.loads(given)
    except json.JSONDecodeError:
        return given
    if not isinstance(value, Mapping):
        return str(value)
    return "; ".join(f"{kind}: {_set(options)}" for kind, options in value.items())


def _set(options: Any) -> str:
    if not isinstance(options, Mapping):
        return flat(options)
    return ", ".join(f"{key} {flat(value)}" for key, value in options.items() if value)


def _provenance(data: ReportData) -> Facts:
    """List the run's digest and seed and every plain fact of the record."""
    facts = [("Run digest", data.digest), ("Seed", str(data.seed))]
    for key, value in data.record.items():
        if key not in _OWN_TABLES:
            facts.append((key.replace("_", " ").capitalize(), flat(_without_blanks(value))))
    return Facts(tuple(facts), "Provenance")


def _versions(record: Mapping[str, Any]) -> Iterable[Block]:
    versions = record.get("versions")
    if isinstance(versions, Mapping):
        rows = tuple((str(name), str(version)) for name, version in versions.items())
        yield Table("Versions", ("package", "version"), rows, folded=len(rows) > 6)
    elif versions:
        yield Facts((("Versions", flat(versions)),))


def _stages(stages: Mapping[str, Mapping[str, Any]]) -> Iterable[Block]:
    if stages:
        rows = tuple(
            (name, number(stage.get("seconds")), count(_whole(stage.get("peak_mb"))))
            for name, stage in stages.items()
        )
        yield Table("Time and memory", ("stage", "seconds", "peak MB"), rows, numbers(3))


def _prompts(extras: Mapping[str, Mapping[str, Any]]) -> Iterable[Block]:
    for key, extra in extras.items():
        prompts = extra.get("prompts")
        if isinstance(prompts, Mapping) and prompts:
            rows = tuple(
                (str(name), "\n".join(map(str, texts)) if isinstance(texts, list | tuple) else
                 str(texts))
                for name, texts in prompts.items()
            )  # fmt: skip
            title = f"Prompts of {key}, verbatim"
            yield Table(title, ("class", "prompts"), rows, folded=True)


def _curves(data: ReportData) -> Iterable[Block]:
    """Draw one chart per stage, and per modality where the log names one."""
    if not data.curves:
        yield Missing("training curves")
    stages: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for i, row in enumerate(data.curves):
        title = " · ".join(str(row[key]) for key in ("stage", "modality") if row.get(key))
        step = finite(row.get("step"))
        for name in ("loss", "validation"):
            value = finite(row.get(name))
            if value is not None:
                lines = stages.setdefault(title or "training", {})
                lines.setdefault(name, []).append((float(i) if step is None else step, value))
    for title, lines in stages.items():
        drawing = chart(title, lines, x_name="step")
        if drawing is not None:
            yield Figure(drawing, f"Training: {title}")


def _maps(space_map: Mapping[str, Any]) -> Iterable[Block]:
    points = space_map.get("points") or ()
    if not points:
        yield Missing("the map of the space")
    shares = [number(share) for share in space_map.get("explained") or ()]
    note = f" The axes hold {' and '.join(shares)} of the variance." if shares else ""
    for drawing in (by_modality(points), by_label(points)):
        if drawing is not None:
            where = (
                f"The shared space on its first two principal components, {drawing.title.lower()}."
            )
            total = count(space_map.get("total") or len(points))
            yield Figure(drawing, f"{where} {count(len(points))} of {total} items.{note}")


def _without_blanks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: inner for key, inner in value.items() if inner not in (None, "", {}, [])}
    return value


def flat(value: Any) -> str:
    """Write a nested fact on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {flat(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(flat(inner) for inner in value)
    return "" if value is None else str(value)


def _whole(value: Any) -> float | None:
    given = finite(value)
    return None if given is None else float(round(given))
