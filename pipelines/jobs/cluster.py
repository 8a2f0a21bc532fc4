"""Does chunks of work on a Ray cluster; Ray itself is imported when it is asked for."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.jobs.executors import Handle
from pipelines.jobs.work import Chunk, work
from workbench import __version__
from workbench.errors import Failure, Refusal

PATIENCE_SECONDS = 120.0
"""How long a cluster may take to run nothing at all, before it is said to have no room."""


class Cluster:
    """Tasks of one CPU on the cluster at RAY_ADDRESS, or on one that is started on this host.

    Args:
        slots: how many run at once; None for as many as the cluster has CPUs.
        out: the job's folder, which every node must see under the same path.

    Raises:
        Refusal: Ray is not installed.
        Failure: no node runs anything in time, sees the folder, or has this version.
    """

    def __init__(self, slots: int | None, out: Path) -> None:
        self.ray = _ray()
        self.connected = not self.ray.is_initialized()
        if self.connected:
            _connect(self.ray, slots)
        cpus = int(self.ray.cluster_resources().get("CPU", 0))
        self.slots = max(1, min(slots or cpus, cpus))
        self._try(out)

    def start(self, chunk: Chunk) -> Handle:
        """Queue a chunk; it is not tried twice, as its results say how far it came."""
        handle: Handle = self.ray.remote(work).options(num_cpus=1, max_retries=0).remote(chunk)
        return handle

    def ended(self, running: Sequence[Handle]) -> tuple[Handle, str]:
        """Wait for a chunk to end, and say how where its worker died."""
        (first, *_), _ = self.ray.wait(list(running), num_returns=1)
        try:
            self.ray.get(first)
        except self.ray.exceptions.RayError as cause:
            return first, f"{type(cause).__name__}: {str(cause).strip().splitlines()[0]}"
        return first, ""

    def close(self) -> None:
        """Let go of the cluster, where this object took hold of it."""
        if self.connected:
            self.ray.shutdown()

    def _try(self, out: Path) -> None:
        """Run a task that does nothing, so that a cluster without room does not hang for ever."""
        probe = self.ray.remote(seen_by_worker).options(num_cpus=1, max_retries=0)
        try:
            version, sees = self.ray.get(probe.remote(str(out)), timeout=PATIENCE_SECONDS)
        except self.ray.exceptions.RayError as cause:
            self.close()
            raise Failure(f"the Ray cluster ran no task within {PATIENCE_SECONDS:.0f} s or could "
                          f"not: {type(cause).__name__}; see `ray status`") from None  # fmt: skip
        if version != __version__ or not sees:
            self.close()
            raise Failure(f"a Ray worker has workbench {version} and "
                          f"{'sees' if sees else 'does not see'} {out}; needed are {__version__} "
                          f"and a folder that all nodes share")  # fmt: skip


def seen_by_worker(out: str) -> tuple[str, bool]:
    """Return the workbench's version on a worker, and whether it sees a folder."""
    return __version__, Path(out).is_dir()


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise Refusal("E-JOB-004", file="--executor", field="ray", found="not installed",
                      expected="the package ray",
                      fix="pip install 'medbio-workbench[ray]'") from None  # fmt: skip


def _connect(ray: Any, slots: int | None) -> None:
    """Join the cluster that RAY_ADDRESS names; start one on this host where it names none."""
    quiet = {"logging_level": "ERROR", "log_to_driver": True}
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        cpus = slots or os.cpu_count()
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
        return
    try:
        ray.init(address=address, **quiet)
    except ConnectionError:
        raise Failure(f"no Ray cluster answers at RAY_ADDRESS {address}") from None
