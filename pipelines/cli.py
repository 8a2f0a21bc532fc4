"""The `workbench` command: parses words, calls the pipeline, turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.jobs.command import JobOptions, run_job, with_job_options
from workbench import __version__
from workbench.errors import WorkbenchError

# Two OpenMP threads that spin on busy cores are many times slower than two that sleep; torch reads
# this when it is first imported, which no command does before this line.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="workbench",
    help="One contrastive pipeline for medical and biodiversity foundation models.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip

PipelineArgument = Annotated[str, typer.Argument(help="YAML file, or the name of a recipe.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder of the run.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="About so many rows.")]


def main() -> None:
    """Run the command and exit: 0 done, 2 refused, 3 failed, 130/143 stopped by a signal."""
    try:
        code = app(standalone_mode=False)
    except WorkbenchError as error:
        _exit(str(error), error.exit_code)
    except KeyboardInterrupt:
        _exit("stopped by signal 2", 130)
    except Exception as error:
        _exit_on_usage(error)
        raise
    if isinstance(code, int) and code:
        sys.exit(code)


@app.command("run")
def run_command(
    pipeline: PipelineArgument, set_: SetOption = None, out: OutOption = None,
    limit: LimitOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; do nothing.")] = False,
) -> None:  # fmt: skip
    """Run a pipeline to its report; the same command resumes a run that was killed."""
    from pipelines.plan import make_plan

    plan = make_plan(pipeline, set_ or [])
    if dry_run:
        from pipelines.dry_run import describe_plan

        typer.echo(describe_plan(plan, limit))
        return
    from pipelines.progress import Bar, Lines, Quiet
    from pipelines.run import run_plan
    from pipelines.signals import ended_by_term

    speaks = Bar if sys.stderr.isatty() else Lines
    progress = speaks() if _rank() == 0 else Quiet()
    try:
        with ended_by_term():
            folder = run_plan(plan, out, limit=limit, progress=progress)
    finally:
        if isinstance(progress, Bar):
            progress.close()
    if _rank() == 0:
        from pipelines.summary import summary

        typer.echo(summary(folder))


@app.command()
def check(
    pipeline: PipelineArgument, set_: SetOption = None, limit: LimitOption = None
) -> None:  # fmt: skip
    """Validate the file, the manifest, the splits and every file header; change nothing."""
    from pipelines.check import check_plan
    from pipelines.plan import make_plan

    typer.echo(check_plan(make_plan(pipeline, set_ or []), limit))


@app.command()
@with_job_options
def evaluate(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN_OR_STORE", help="Runs, or stores.")
    ] = None,
    pipeline: Annotated[
        Path | None, typer.Option("--pipeline", help="File whose `evaluate:` to use instead.")
    ] = None,
    **job: Any,
) -> None:  # fmt: skip
    """Evaluate finished runs again; with --tasks, many runs and stores by many tasks."""
    if job["tasks"] is not None or job["merge"] is not None or not runs:
        raise typer.Exit(run_job(runs or [], pipeline, JobOptions(**job)))
    from pipelines.reevaluate import evaluate_runs

    done, failed = evaluate_runs(runs, pipeline)
    for path, reason in failed.items():
        typer.echo(f"{path}: {reason}", err=True)
    typer.echo(f"{len(done)} evaluated, {len(failed)} failed")
    if failed:
        raise typer.Exit(3)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    metric: Annotated[list[str] | None, typer.Option("--metric", help="Such as hit.")] = None,
    permutations: Annotated[int, typer.Option(min=99, help="Of every test.")] = 10_000,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the tables.")] = None,
) -> None:
    """Compare runs on the same test rows with the first one; rank them on a leaderboard."""
    from eval.compare import Contest
    from pipelines.compare import METRICS
    from pipelines.compare import compare as compare_runs

    found = compare_runs(runs, metrics=metric or METRICS,
                         contest=Contest(permutations=permutations))  # fmt: skip
    if out is not None:
        found.write(out)
    typer.echo(found.text())


@app.command()
def embed(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    manifest: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet with new rows.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the vectors.")] = Path("embeddings"),
) -> None:
    """Write the vectors of new data from a finished run."""
    from pipelines.new_data import embed_manifest

    typer.echo(embed_manifest(run, manifest, out))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def search(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    gallery: Annotated[str, typer.Option("--in", help="Modality to search in.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 5,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="For millions of items; needs the extra index.")
    ] = False,
) -> None:
    """Find the nearest items: workbench search RUN --ecg FILE --in report -k 5."""
    from pipelines.approximate import approximate_text
    from pipelines.summary import search_text

    answer = approximate_text if approximate else search_text
    typer.echo(answer(run, context.args, gallery, k))


@app.command()
def manifest(
    dataset: Annotated[str, typer.Argument(help="Dataset adapter, such as ptbxl.")],
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV or Parquet file to write.")],
    set_: SetOption = None,
) -> None:
    """Turn a dataset's own layout into a manifest."""
    from pipelines.new_data import write_manifest

    typer.echo(write_manifest(dataset, root, out, set_ or []))


@app.command("list")
def list_command(
    what: Annotated[str | None, typer.Argument(help="modalities, encoders, objectives, tasks, "
                                               "datasets or recipes.")] = None,
) -> None:  # fmt: skip
    """List what is installed."""
    from pipelines.listing import listing

    typer.echo(listing(what))


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="modality")],
    name: Annotated[str, typer.Argument(help="Name of the new plugin, a Python word.")],
    folder: Annotated[Path, typer.Option("--in", help="Where to put the package.")] = Path(),
) -> None:
    """Scaffold a plugin for which the contract suite runs and passes."""
    from pipelines.scaffold import scaffold

    typer.echo(scaffold(kind, name, folder))


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Folder of a finished run.")]) -> None:
    """Write report.html and report.md of a run again."""
    from pipelines.api import open as open_run

    typer.echo(str(open_run(run).report()))


@app.command()
def doctor() -> None:
    """Print versions, decoders, threads and known-bad installs."""
    from pipelines.doctor import diagnosis

    text, healthy = diagnosis()
    typer.echo(text)
    if not healthy:
        raise typer.Exit(2)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"workbench {__version__}")
        raise typer.Exit()


def _rank() -> int:
    """Return the number that torchrun gave this process; 0 without it."""
    return int(os.environ.get("RANK", "0"))


def _exit(message: str, code: int) -> None:
    sys.stderr.write((f"rank {_rank()}: " if _rank() else "") + message + "\n")
    sys.exit(code)


def _exit_on_usage(error: Exception) -> None:
    """Print a usage error the way the parser would, with its exit code; return for any other."""
    show: Callable[[], Any] | None = getattr(error, "show", None)
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        if show is not None:
            show()
        sys.exit(code)
