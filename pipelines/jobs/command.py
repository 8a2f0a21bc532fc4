"""The options of a batch evaluation on the command line, and what the command prints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from workbench.errors import Refusal


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What follows the stores of a batch evaluation."""

    tasks: Annotated[
        Path | None, typer.Option("--tasks", help="Tasks file: evaluate all of it on every store.")
    ] = None
    out: Annotated[Path, typer.Option("--out", help="Folder of the results and the table.")] = Path(
        "evaluation"
    )
    mode: Annotated[
        str, typer.Option("--mode", help="always, never, only-missing or only-cache.")
    ] = "only-missing"
    shard: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="Do one part of N; for job arrays.")
    ] = "1/1"
    executor: Annotated[str, typer.Option("--executor", help="local, or ray for a cluster.")] = (
        "local"
    )
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="How many at once.")] = (
        None
    )
    merge: Annotated[
        Path | None,
        typer.Option("--merge", metavar="OUT", help="Write the table of what is there."),
    ] = None


def with_job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the fields of `JobOptions` as options; it takes them as keywords."""
    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    more = get_type_hints(JobOptions, include_extras=True)
    given = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default,
            annotation=more[field.name],
        )
        for field in fields(JobOptions)
    ]  # fmt: skip
    command.__signature__ = inspect.Signature([*own, *given])  # type: ignore[attr-defined]
    return command


def run_job(paths: Sequence[Path], pipeline: Path | None, options: JobOptions) -> int:
    """Do what the words of the command ask, print what became of it, and return the exit code.

    Raises:
        Refusal: words that do not fit together, and whatever the job refuses.
    """
    from pipelines.jobs.job import Request, evaluate_stores, merge
    from pipelines.jobs.shard import parse_shard
    from pipelines.signals import ended_by_term

    if options.merge is not None:
        outcome = merge(options.merge)
    else:
        if options.tasks is None or pipeline is not None or not paths:
            raise Refusal("E-JOB-002", file="workbench evaluate", field="words", found="others",
                          expected="RUN..., RUN_OR_STORE... --tasks FILE, or --merge OUT")  # fmt: skip
        request = Request(
            out=options.out, mode=options.mode, shard=parse_shard(options.shard),  # type: ignore[arg-type]
            executor=options.executor, workers=options.workers,  # type: ignore[arg-type]
        )  # fmt: skip
        with ended_by_term():
            outcome = evaluate_stores(paths, options.tasks, request)
    typer.echo(str(outcome))
    return outcome.exit_code
