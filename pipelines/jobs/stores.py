"""Finds the stores behind the words of a command: runs, models of runs, `store.yaml` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.jobs.finished import open_run_stores
from pipelines.jobs.foreign import open_foreign
from pipelines.jobs.store import Store
from pipelines.jobs.store_file import FILE
from workbench.errors import Refusal, WorkbenchError


def open_stores(paths: Sequence[Path]) -> tuple[list[Store], dict[str, str], list[WorkbenchError]]:
    """Open every store that can be opened.

    Args:
        paths: folders of runs, of one model (`RUN/embeddings/trained`) or of a store, or YAML files.

    Returns:
        The stores under names of their own, the reasons for the others by path, and those errors.
    """
    opened: list[tuple[Path, Store]] = []
    reasons: dict[str, str] = {}
    errors: list[WorkbenchError] = []
    for path in dict.fromkeys(Path(p).resolve() for p in paths):
        try:
            place = path if path.is_dir() else path.parent
            opened += [(place, store) for store in _open(path)]
        except WorkbenchError as error:
            reasons[_told_apart(path, [Path(p).resolve() for p in paths])] = str(error)
            errors.append(error)
    return _named(opened), reasons, errors


def _open(path: Path) -> Sequence[Store]:
    """Return the stores at a path."""
    if (path / "pipeline.yaml").is_file():
        return open_run_stores(path)
    if path.parent.name == "embeddings" and (path.parent.parent / "pipeline.yaml").is_file():
        return open_run_stores(path.parent.parent, path.name)
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        return [open_foreign(path)]
    if (path / FILE).is_file():
        return [open_foreign(path / FILE)]
    raise Refusal("E-EMB-001", file=str(path), field="store",
                  found="neither pipeline.yaml nor store.yaml" if path.is_dir() else "no folder",
                  expected="a finished run, or vectors described by a store.yaml")  # fmt: skip


def _named(opened: Sequence[tuple[Path, Store]]) -> list[Store]:
    """Return stores under different names: those that share one are told apart by their folders."""
    names = [store.name for _, store in opened]
    paths = [path for path, store in opened if names.count(store.name) > 1]
    stores = []
    for path, store in opened:
        if names.count(store.name) > 1:
            above, own = _told_apart(path, paths), store.name
            rest = own.removeprefix(path.name) if own.startswith(path.name) else f"/{own}"
            store = store.renamed(above + rest)
        stores.append(store)
    found = [store.name for store in stores]
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise Refusal("E-JOB-003", file="stores", field="name", found=f"{twice} more than once",
                      expected="a name for each; give name: in store.yaml")  # fmt: skip
    return stores


def _told_apart(path: Path, others: Sequence[Path]) -> str:
    """Return the fewest last parts of a path that no other path ends in."""
    rest = [other.parts for other in set(others) if other != path]
    for count in range(1, len(path.parts)):
        tail = path.parts[-count:]
        if all(other[-count:] != tail for other in rest):
            return "/".join(tail)
    return path.as_posix()
