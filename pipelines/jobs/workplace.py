"""Who works in a job's folder: a record of every job, and the refusal of two that do not fit."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.errors import Refusal
from workbench.files import one_at_a_time
from workbench.liveness import Life
from workbench.record import write_json

REPORTED = ("torch", "numpy", "scikit-learn", "pyarrow")


@contextmanager
def at_work(out: Path, plan: str, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Record a job while the block runs; what the block adds to the record is kept with it.

    Jobs with one plan work beside each other, as shards of an array do. A job with another plan is
    refused while one may be alive.

    Args:
        out: the job's folder.
        plan: digest of stores and tasks.
        facts: what else the record says, such as the shard.

    Raises:
        Refusal: another job, named by process and host, works here on other stores or tasks.
    """
    folder = out / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex[:12]}.json"
    record = {**Life.mine().as_dict(), **facts, "plan": plan, "begun": _now(), "ended": None,
              "versions": _versions()}  # fmt: skip
    with one_at_a_time(folder):
        _refuse_others(folder, plan)
        _sweep(out)
        write_json(path, record)
    try:
        yield record
    finally:
        write_json(path, {**record, "ended": _now()})


def _refuse_others(folder: Path, plan: str) -> None:
    for path in sorted(folder.glob("*.json")):
        other = json.loads(path.read_text())
        life = Life.parse(other)
        if other["ended"] is None and other["plan"] != plan and not life.ended():
            raise Refusal(
                "E-JOB-001", file=str(folder.parent), field=f"jobs/{path.name}",
                found=f"{life} at work on other stores or tasks", expected="one plan at a time",
                fix="Wait for it, choose another --out, or delete that file if it is over.",
            )  # fmt: skip


def _sweep(out: Path) -> None:
    """Delete half-written files of killed processes, where every job of the folder ran on this host."""
    records = [json.loads(path.read_text()) for path in (out / "jobs").glob("*.json")]
    host = Life.mine().host
    if all((r["host"], r.get("executor", "local")) == (host, "local") for r in records):
        for path in out.glob("*/*/.*.tmp"):
            pid = path.name.split(".")[-2]
            if pid.isdigit() and Life(int(pid), host).ended():
                path.unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in REPORTED}
    return {"workbench": __version__, "python": platform.python_version(), **versions}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
