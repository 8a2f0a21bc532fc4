"""Takes a plan through its stages, skipping what is already complete."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from pipelines import decode, leakage, prints, rows
from pipelines.decode import Decoded
from pipelines.plan import AFTER_TRAINING, Plan, digest_of
from pipelines.progress import Progress, Quiet
from workbench.errors import Failure, Refusal
from workbench.files import atomic_write
from workbench.manifest import Manifest
from workbench.record import FollowedFolder, RunFolder, write_json

if TYPE_CHECKING:
    from pipelines.processes import Processes
    from pipelines.stages import Trained

REPORTED = ("torch", "monai", "transformers", "peft", "pydicom", "numpy", "scikit-learn")


def run_plan(
    plan: Plan, out: Path | None = None, *, limit: int | None = None, progress: Progress | None = None
) -> RunFolder:  # fmt: skip
    """Run a plan to its report and return its folder; the same call resumes a killed run.

    Under torchrun every process calls this. They train together; the first one alone holds the
    folder, decodes, saves, embeds, evaluates and reports.

    Args:
        plan: the plan.
        out: the run's folder; default runs/<name>-<digest>.
        limit: about so many rows.
        progress: what a person is told.

    Raises:
        Refusal: the run would be wrong. Failure: work that had begun could not go on.
    """
    from pipelines.processes import started

    with started() as processes:
        path = processes.from_first("the name of the folder", lambda: str(_path(plan, out, limit)))
        folder = RunFolder(Path(path)) if processes.first else FollowedFolder(Path(path))
        with folder.locked():
            run = Stages(plan, folder, limit, progress or Quiet(), processes)
            run.all()
    return folder


def _alone() -> Processes:
    from pipelines.processes import Processes

    return Processes.alone()


@dataclass(frozen=True)
class Stages:
    """The stages of one run, each computed from the ones before."""

    plan: Plan
    folder: RunFolder
    limit: int | None
    progress: Progress
    processes: Processes = field(default_factory=_alone)

    def all(self) -> None:
        """Run every stage, then delete what only an unfinished run needs.

        All processes train; in every other stage they wait for the first.
        """
        first_does = self.processes.first_does
        first_does("open", self.open)
        first_does("decode", self.decode)
        trained = self.train()
        first_does("embed", lambda: self.embed(trained))
        first_does("evaluate", self.evaluate)
        first_does("report", self.report)
        first_does("tidy", self.tidy)

    def tidy(self) -> None:
        """Delete what only an unfinished run needs."""
        shutil.rmtree(self.folder.path / "progress", ignore_errors=True)

    def open(self) -> None:
        """Write the resolved pipeline, or refuse a folder in which another one was trained."""
        training = {"pipeline": self.plan.training(), "limit": self.limit}
        path = self.folder.path / "pipeline.json"
        if path.is_file():
            saved = json.loads(path.read_text())
            kept = {k: v for k, v in saved["pipeline"].items() if k not in AFTER_TRAINING}
            _refuse_other({"pipeline": kept, "limit": saved["limit"]}, training, self.folder.path)
        resolved = {"pipeline": self.plan.resolved(), "limit": self.limit}
        write_json(path, {**resolved, "base": str(self.plan.base)})
        import yaml

        text = yaml.safe_dump(self.plan.resolved(), sort_keys=False, allow_unicode=True)
        atomic_write(self.folder.path / "pipeline.yaml", text.encode())
        self.folder.update_record(lambda r: r.update(_environment(self.plan)))
        self.folder.update_record(lambda r: _note_world(r, self.processes.world))

    @cached_property
    def manifest(self) -> Manifest:
        """The rows of this run."""
        return rows.manifest_of(self.plan, self.folder.path / "cohort", limit=self.limit)

    @cached_property
    def data_digest(self) -> str:
        """The sha256 of the manifest and all files behind it, which one process reads for all."""
        if self.processes.first:
            return rows.content_digest(self.plan, self.manifest)
        return str(self.folder.record()["data"]["digest"])

    def key(self, stage: str) -> str:
        """Return the digest of everything a stage depends on.

        What only concerns evaluation does not touch training; the wording of prompts, which may
        lie in files of its own, touches the vectors and what is computed from them.
        """
        known: list[Any] = [stage, self.plan.training(), workbench.__version__]
        if stage.startswith(("embeddings", "predictions")):
            known += [self.plan.resolved()["controls"], self.prompts]
        if stage == "predictions":
            known += [self.plan.digest()]
        return digest_of([*known, self.data_digest, self.limit])

    @cached_property
    def prompts(self) -> dict[str, list[str]]:
        """The texts, by modality, that the tasks compare with."""
        from pipelines.embed import table_of
        from pipelines.evaluate import prompt_texts

        return prompt_texts(self.plan, table_of(self.manifest))

    def decode(self) -> None:
        """Read every cell once, write the quarantine, and audit the splits."""
        with self._timed("decode"):
            counts = rows.split_counts(self.plan, self.manifest)
            self.folder.update_record(lambda r: r.update(_data(self.manifest, counts, self)))
        if self.is_decoded():
            self.progress.stage("decode", "already complete")
        else:
            with self._timed("decode"), self.folder.writing("decoded", self.key("decoded")) as part:
                self.progress.stage("decode", f"{len(self.manifest)} rows")
                for key, one in self.plan.parts.items():
                    cells = rows.cells(one, self.manifest)
                    decode.decode(one, cells, self.manifest, part / key)
        self._account()
        self.audit()

    def is_decoded(self) -> bool:
        """Whether every sample and its fingerprint is there."""
        folder = self.folder.stage("decoded")
        complete = self.folder.is_complete("decoded", self.key("decoded"))
        return complete and all(prints.saved(folder / key) for key in self.plan.parts)

    def audit(self) -> None:
        """Look for leakage, keep what was found, and stop where it makes numbers wrong.

        Raises:
            Refusal: splits share what they must not.
        """
        resolved = self.plan.resolved()
        key = digest_of([self.key("audit"), resolved["leakage"], resolved["evaluate"]])
        if self.folder.record().get("leakage", {}).get("key") == key:
            return
        seen = leakage.of_decoded(self.plan, self.decoded, self.folder.stage("decoded"))
        found = leakage.audit(self.plan, self.manifest, seen)
        found.write(self.folder.path)
        found.refuse()
        self.folder.update_record(lambda r: r.update(leakage={"key": key, **found.as_dict()}))

    @cached_property
    def decoded(self) -> Mapping[str, Decoded]:
        """The decoded samples by modality."""
        folder = self.folder.stage("decoded")
        return {key: decode.load_decoded(folder / key) for key in self.plan.parts}

    def _account(self) -> None:
        """Write quarantine and flow numbers; stop when too much was quarantined."""
        folder, lines = self.folder.stage("decoded"), []
        flow: dict[str, dict[str, int]] = {}
        flags: Counter[str] = Counter()
        for key, part in self.plan.parts.items():
            refused = decode.load_quarantine(folder / key)
            found = self.decoded[key]
            present = sum(c is not None for c in rows.cells(part, self.manifest))
            flagged = sum(bool(f) for f in found.flags)
            flow[key] = {
                "rows": len(self.manifest), "absent": len(self.manifest) - present,
                "present": present, "ok": len(found.rows) - flagged, "flag": flagged,
                "quarantine": len(refused),
            }  # fmt: skip
            if present != len(found.rows) + len(refused):
                raise Failure(f"{key}: {present} cells present, {len(found.rows)} decoded and "
                              f"{len(refused)} quarantined do not add up")  # fmt: skip
            lines += refused
            flags.update(decode.flag_counts(found))
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        atomic_write(self.folder.path / "quarantine.jsonl", text.encode())
        self.folder.update_record(lambda r: r.update(flow=flow, flags=dict(sorted(flags.items()))))
        self._stop_when_bad(lines, flow)

    def _stop_when_bad(
        self, lines: Sequence[Mapping[str, str]], flow: Mapping[str, Mapping[str, int]]
    ) -> None:
        present = sum(f["present"] for f in flow.values())
        share, allowed = len(lines) / max(present, 1), self.plan.pipeline.manifest.max_bad
        for line in lines[:5]:
            self.progress.say(f"quarantined {line['code']} {line['file']}: {line['field']} has "
                              f"{line['found']}, expected {line['expected']}")  # fmt: skip
        if share > allowed:
            common = Counter(line["code"] for line in lines).most_common(3)
            raise Failure(
                f"{len(lines)} of {present} cells quarantined ({share:.2%}), more than "
                f"manifest.max_bad {allowed:.2%}; most frequent "
                f"{', '.join(f'{c} x {n}' for c, n in common)}; see quarantine.jsonl"
            )

    def train(self) -> Trained:
        """Pretrain and align, or load what was trained."""
        from pipelines.stages import train

        with self._timed("train"):
            return train(self)

    def embed(self, trained: Trained) -> None:
        """Write the vectors of the trained model and of the controls."""
        from pipelines.stages import embed

        with self._timed("embed"):
            embed(self, trained)

    def evaluate(self) -> None:
        """Write metrics and predictions."""
        from pipelines.stages import evaluate

        with self._timed("evaluate"):
            evaluate(self)

    def report(self) -> None:
        """Write report.html and report.md."""
        from pipelines.reporting import write_run_report

        self.progress.stage("report")
        with self._timed("report"):
            write_run_report(self.plan, self.folder, self.manifest)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Add a stage's seconds and the process's peak memory to the record."""
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        def change(record: dict[str, Any]) -> None:
            stages = record.setdefault("stages", {})
            before = stages.get(name, {}).get("seconds", 0.0)
            stages[name] = {"seconds": round(before + seconds, 2), "peak_mb": round(peak)}

        self.folder.update_record(change)


def _path(plan: Plan, out: Path | None, limit: int | None) -> Path:
    return out or Path("runs") / f"{plan.pipeline.name}-{_short_digest(plan, limit)}"


def _note_world(record: dict[str, Any], world: int) -> None:
    """Record how many processes took part; another number later is added, not put in its place."""
    worlds = record.setdefault("processes", [])
    if worlds[-1:] != [world]:
        worlds.append(world)


def _short_digest(plan: Plan, limit: int | None) -> str:
    """Return eight digits that change with configuration, data and code."""
    config = plan.pipeline.manifest
    data = ""
    if config.synthetic is None:
        data = rows.content_digest(plan, rows.manifest_of(plan, Path()))
    return digest_of([plan.digest(), data, limit])[:8]


def _environment(plan: Plan) -> dict[str, Any]:
    """Return what a reader needs to repeat the run: versions, threads, device, seed."""
    versions = {name: metadata.version(name) for name in REPORTED}
    return {
        "name": plan.pipeline.name,
        "digest": plan.digest(),
        "seed": plan.pipeline.seed,
        "versions": {"workbench": workbench.__version__, "python": platform.python_version(),
                     **versions},
        "threads": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
                    "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
                    "cpus": os.cpu_count()},
        "platform": f"{platform.system()} {platform.machine()}",
        "command": Path(sys.argv[0]).name,
    }  # fmt: skip


def _data(manifest: Manifest, counts: Mapping[str, Any], run: Stages) -> dict[str, Any]:
    return {
        "data": {"digest": run.data_digest, "source": manifest.source, "name": manifest.name,
                 "rejected": dict(manifest.rejected)},
        "splits": dict(counts),
    }  # fmt: skip


def _refuse_other(saved: Any, given: Any, path: Path) -> None:
    """Refuse to write into the folder of another configuration, naming the first difference."""
    difference = _difference(saved, json.loads(json.dumps(given)), "")
    if difference is not None:
        where, old, new = difference
        raise Refusal("E-MAN-020", file=str(path / "pipeline.json"), field=where.lstrip("."),
                      found=repr(new)[:80], expected=repr(old)[:80],
                      fix="Choose another --out, or delete the folder.")  # fmt: skip


def _difference(a: Any, b: Any, where: str) -> tuple[str, Any, Any] | None:
    """Return the first place where two JSON values differ, depth first."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            found = _difference(a.get(key), b.get(key), f"{where}.{key}")
            if found is not None:
                return found
        return None
    return None if a == b else (where, a, b)
