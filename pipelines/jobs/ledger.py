"""What a job is about: its stores and tasks with their digests, as `job.json` keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.jobs.results import Results, Unit
from pipelines.jobs.store import Store
from pipelines.jobs.tasks_file import TaskList, version_of
from pipelines.plan import digest_of
from workbench import __version__
from workbench.errors import Refusal
from workbench.record import write_json

FILE = "job.json"


@dataclass(frozen=True)
class StoreEntry:
    """A store as the table names it."""

    name: str
    digest: str
    run_digest: str
    checkpoint_digest: str


@dataclass(frozen=True)
class TaskEntry:
    """A task as the table names it."""

    name: str
    digest: str
    version: str


@dataclass(frozen=True)
class Ledger:
    """The stores and tasks of a job, in order.

    Attributes:
        stores: those that could be opened.
        tasks: all of the tasks file.
        refused: the others, with the reason.
        workbench: version of the workbench.
    """

    stores: tuple[StoreEntry, ...]
    tasks: tuple[TaskEntry, ...]
    refused: Mapping[str, str]
    workbench: str = __version__

    def units(self) -> Iterator[tuple[StoreEntry, TaskEntry, Unit]]:
        """Yield every store with every task, one store after another."""
        for store in self.stores:
            for task in self.tasks:
                yield store, task, Unit(store.digest, task.digest)

    def misses(self, results: Results) -> list[tuple[str, str, str]]:
        """Return (store, task, reason) of all that was refused, failed or was not computed.

        A store that could not be opened has no task. A task that failed when it was done again
        stands here too, although the numbers of before are kept.
        """
        found = [(name, "", reason) for name, reason in self.refused.items()]
        for store, task, unit in self.units():
            reason = results.error(unit)
            if reason is None and results.state(unit) == "missing":
                reason = "not computed"
            if reason is not None:
                found.append((store.name, task.name, reason))
        return found

    def digest(self) -> str:
        """Return the sha256 of stores and tasks."""
        return digest_of(asdict(self))

    def save(self, out: Path) -> None:
        """Write `job.json`."""
        write_json(out / FILE, asdict(self))


def ledger_of(stores: Sequence[Store], tasks: TaskList, refused: Mapping[str, str]) -> Ledger:
    """Return the ledger of opened stores and read tasks."""
    return Ledger(
        tuple(_store_entry(store) for store in stores),
        tuple(TaskEntry(task.name, task.digest, version_of(task.task)) for task in tasks.tasks),
        dict(sorted(refused.items())),
    )


def load_ledger(out: Path) -> Ledger:
    """Return what `save` wrote.

    Raises:
        Refusal: the folder holds no job.
    """
    path = out / FILE
    if not path.is_file():
        raise Refusal("E-JOB-005", file=str(out), field=FILE, found="no such file",
                      expected="the --out folder of a batch evaluation")  # fmt: skip
    found = json.loads(path.read_text())
    return Ledger(
        tuple(StoreEntry(**entry) for entry in found["stores"]),
        tuple(TaskEntry(**entry) for entry in found["tasks"]),
        found["refused"], found["workbench"],
    )  # fmt: skip


def _store_entry(store: Store) -> StoreEntry:
    known = store.provenance
    return StoreEntry(store.name, store.digest, known["run_digest"], known["checkpoint_digest"])
