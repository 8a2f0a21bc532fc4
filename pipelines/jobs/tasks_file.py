"""The tasks of a batch evaluation: read from a YAML file, typed, each with a digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from eval.task import Context
from pipelines.plan import digest_of
from workbench import registry
from workbench.config import TaskConfig
from workbench.errors import Refusal
from workbench.files import file_digest
from workbench.modality import Options
from workbench.pipeline_file import validate
from workbench.yaml12 import parse_yaml


def _entry(value: Any) -> Any:
    """Gather a task's own options, which stand beside its name."""
    if isinstance(value, dict) and "task" in value and "options" not in value:
        return {"task": value["task"], "options": {k: v for k, v in value.items() if k != "task"}}
    return value


class TasksFile(Options):
    """A whole tasks file: `evaluate:` as in a pipeline file, with seed and replicates beside it."""

    evaluate: Annotated[
        tuple[Annotated[TaskConfig, BeforeValidator(_entry)], ...], Field(min_length=1)
    ]
    seed: int = Field(0, description="draws and replicates derive from it")
    replicates: Annotated[int, Field(ge=0)] = Field(2000, description="bootstrap replicates")


@dataclass(frozen=True)
class JobTask:
    """One task of the file.

    Attributes:
        name: unique within the file, such as "retrieval-ecg-report-test".
        task: registry name.
        options: the task's options.
        digest: sha256 over options, the files they name, seed, replicates and the task's version.
    """

    name: str
    task: str
    options: Options
    digest: str


@dataclass(frozen=True)
class TaskList:
    """The tasks of a file, and what each is given beside its options."""

    tasks: tuple[JobTask, ...]
    context: Context


def read_tasks(path: Path) -> TaskList:
    """Read and validate a tasks file.

    Raises:
        Refusal: with file, line and column of the first mistake; an unknown task.
    """
    if not path.is_file():
        raise Refusal("E-CFG-014", file=str(path), field="tasks file", found="no such file",
                      expected="a YAML file with evaluate: [{task: ...}, ...]")  # fmt: skip
    document = parse_yaml(path.read_bytes(), path.name)
    if not isinstance(document.data, dict):
        raise Refusal("E-CFG-012", file=document.place(()), field="document",
                      found=type(document.data).__name__, expected="keys and values")  # fmt: skip
    file = validate(TasksFile, document.data, document)
    context = Context(file.seed, path.resolve().parent, file.replicates)
    tasks: list[JobTask] = []
    for number, entry in enumerate(file.evaluate):
        kind = registry.load("tasks", entry.task)
        options = validate(kind.options, entry.options, document, ("evaluate", number))
        name = _name(entry.task, options, {task.name for task in tasks})
        tasks.append(JobTask(name, entry.task, options, _digest(entry.task, options, context)))
    return TaskList(tuple(tasks), context)


def version_of(task: str) -> str:
    """Return "distribution version" of whoever provides a task."""
    distribution = registry.installed("tasks")[task].distribution
    return f"{distribution} {metadata.version(distribution)}"


def _digest(task: str, options: Options, context: Context) -> str:
    """Return what changes when a task's numbers may change; never where its files lie."""
    given = options.model_dump(mode="json")
    named = {text: context.base / text for text in sorted(set(_texts(given)))}
    files = {text: file_digest(path) for text, path in named.items() if _is_file(path)}
    return digest_of({
        "task": task, "options": given, "files": files, "version": version_of(task),
        "seed": context.seed, "replicates": context.replicates,
    })  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    """Yield every text among options, any of which may name a file."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long text, or one with a zero byte, names no file
        return False


def _name(task: str, options: Options, taken: set[str]) -> str:
    """Return a name made of the task and what it asks, numbered where it is taken."""
    asked = [getattr(options, key, None) for key in ("query", "gallery", "label", "split")]
    name = "-".join([task, *(word for word in asked if isinstance(word, str))])
    number = sum(other == name or other.startswith(f"{name}-v") for other in taken)
    return f"{name}-v{number + 1}" if number else name
