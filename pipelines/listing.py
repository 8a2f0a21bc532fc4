"""Tables of what is installed, for `workbench list`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from textwrap import wrap

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.plan import RECIPES, recipe_names
from workbench import registry
from workbench.errors import Refusal, did_you_mean

Row = tuple[str, ...]


def listing(what: str | None) -> str:
    """Return one table, or all of them when `what` is None. Imports no torch.

    Raises:
        Refusal: there is no such table.
    """
    if what is None:
        return "\n\n".join(f"{name}\n{make()}" for name, make in TABLES.items())
    if what not in TABLES:
        raise Refusal("E-CFG-013", file="command line", field="list", found=repr(what),
                      expected=f"one of {list(TABLES)}{did_you_mean(what, TABLES)}")  # fmt: skip
    return TABLES[what]()


def _modalities() -> str:
    rows = [(p.name, p.target, p.distribution) for p in registry.installed("modalities").values()]
    return _table(("name", "where", "distribution"), rows)


def _encoders() -> str:
    rows = []
    for name in registry.installed("modalities"):
        for entry in registry.modality(name).encoders.values():
            rows.append((name, entry.name, " ".join(sorted(entry.weights)), entry.summary))
    return _table(("modality", "encoder", "weights", "summary"), rows)


def _objectives() -> str:
    rows = []
    for name in registry.installed("objectives"):
        e: ObjectiveEntry = registry.load("objectives", name)
        rows.append((name, ", ".join(e.papers), _needs(e), "yes" if e.separable else "no", e.cost))
    table = _table(
        ("name", "papers", "needs", "separable", "cost"), rows, widths=(17, 32, 17, 9, 17)
    )
    return f"{table}\n\nneeds in brackets: under some options only"


def _needs(entry: ObjectiveEntry) -> str:
    """Return what an objective always reads, and in brackets what it reads under some options."""
    examples = (entry.needed(entry.options(**chosen)) for chosen in entry.examples)
    some = entry.options.may_need().union(*examples)
    named = [*sorted(entry.needs), *(f"({need})" for need in sorted(some - entry.needs))]
    return " ".join(named) or "-"


def _tasks() -> str:
    rows = [(p.name, p.target, p.distribution) for p in registry.installed("tasks").values()]
    return _table(("name", "where", "distribution"), rows)


def _datasets() -> str:
    rows = []
    for name in registry.installed("datasets"):
        rows.append((name, registry.load("datasets", name).summary))
    return _table(("name", "summary"), rows)


def _recipes() -> str:
    rows = []
    for name in recipe_names():
        first = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        rows.append((name, first.lstrip("# ")))
    return _table(("name", "summary"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "modalities": _modalities,
    "encoders": _encoders,
    "objectives": _objectives,
    "tasks": _tasks,
    "datasets": _datasets,
    "recipes": _recipes,
}


def _table(head: Row, rows: Iterable[Sequence[str]], *, widths: Sequence[int] | None = None) -> str:
    """Align columns by spaces.

    Args:
        head: names of the columns.
        rows: cells.
        widths: most characters of each column, whose longer cells go on below; None: no limit.
    """
    lines = [line for row in (head, *rows) for line in _folded(row, widths)]
    most = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(x, most, strict=True)).rstrip()
                     for x in lines)  # fmt: skip


def _folded(row: Sequence[str], widths: Sequence[int] | None) -> Iterable[Sequence[str]]:
    """Return the lines that a row takes."""
    if widths is None:
        return [row]
    cells = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    return zip_longest(*cells, fillvalue="")
