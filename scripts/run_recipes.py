"""Runs every recipe whose real data is present, then prints the headline numbers as one table.

Run: python scripts/run_recipes.py [--data FOLDER] [--out FOLDER] [RECIPE ...]
The data folder defaults to ../shared/data beside the checkout; a recipe without data is named and
skipped. A finished run is not computed again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.api import run
from pipelines.plan import recipe_names
from workbench.errors import WorkbenchError

CHECKOUT = Path(__file__).resolve().parent.parent
DATA = {
    "ptbxl": "ecg/ptbxl-biolabsel",
    "cxr-notes": "xray/covid-chestxray",
    "oct-class": "oct/noor-vineetadas",
    "barcode-taxonomy": "dna/insect-bold",
}
CONTROLS = ("control:unaligned", "control:random_frozen")
COLUMNS = ("recipe", "task", "metric", "value", "95 % interval", "chance", "unaligned", "random",
           "n", "groups")  # fmt: skip
# numbers printed per task, as (metric, average, k); a k of 0 stands for any
HEADLINES = {
    "zero_shot": (("auroc", "macro", None), ("accuracy", "macro", 1)),
    "retrieval": (("hit", "micro", 1), ("hit", "micro", 5), ("map", "micro", None)),
    "probe": (("auroc", "macro", None), ("accuracy", "macro", 1)),
    "knn": (("accuracy", "macro", 0),),
}
_SAME = ("task", "query", "gallery", "label", "relation", "pool", "rank", "split", "metric",
         "average", "k", "unit", "gallery_size")  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """Run what can be run; return 0 when nothing failed, else 3."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"of {', '.join(DATA)}")
    given = parser.parse_args(words)
    if unknown := sorted(set(given.recipes) - set(DATA)):
        parser.error(f"unknown recipes {unknown}; known: {list(DATA)}")
    lines, failed = [], 0
    for name in given.recipes or DATA:
        root = given.data / DATA[name]
        if reason := _why_not(name, root):
            print(f"{name}: skipped, {reason}")
            continue
        try:
            # resolved, because a relative root would start from the recipe's own folder
            done = run(name, out=given.out / name, set=[f"manifest.root={root.resolve()}"])
        except WorkbenchError as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
            continue
        lines += list(table_lines(name, json.loads((done.path / "metrics.json").read_text())))
    print(aligned([COLUMNS, *lines]))
    return 3 if failed else 0


def table_lines(recipe: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield a line per headline number of a run: its interval, chance and the controls' values."""
    asked: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if not row.get("compared_to") and row.get("subgroup") is None and _is_headline(row):
            asked.setdefault(tuple(row.get(f) for f in _SAME), {})[row["model"]] = row
    for beside in asked.values():
        best = beside.get("trained")
        if best is None or best["value"] is None:
            continue
        yield (
            recipe, _question(best), _metric(best), _number(best["value"]),
            f"{_number(best['ci_low'])} to {_number(best['ci_high'])}", _number(best["chance"]),
            *(_number(beside.get(name, {}).get("value")) for name in CONTROLS),
            str(best["n"]), str(best["n_groups"]),
        )  # fmt: skip


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines as columns of equal width."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _why_not(name: str, root: Path) -> str:
    """Say why a recipe cannot run, if so."""
    if name not in recipe_names():
        return "no such recipe is shipped"
    return "" if root.is_dir() else f"sample data not found: {root}"


def _is_headline(row: Mapping[str, Any]) -> bool:
    wanted = HEADLINES.get(row["task"], ())
    found = (row["metric"], row["average"])
    return any((m, a) == found and k in (0, row["k"]) for m, a, k in wanted)


def _question(row: Mapping[str, Any]) -> str:
    """Return the task in words: what is asked of what."""
    sides = f"{row['query']}->{row['gallery']}" if row["gallery"] else str(row["query"])
    extra = [str(row[f]) for f in ("label", "relation", "rank", "pool") if row[f]]
    return " ".join([row["task"], sides, *extra])


def _metric(row: Mapping[str, Any]) -> str:
    average = f" {row['average']}" if row["average"] else ""
    return f"{row['metric']}{average}" + (f" @{row['k']}" if row["k"] else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
