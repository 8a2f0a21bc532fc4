"""The notebook API: three lines from a pipeline file to numbers, neighbours and a report."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.plan import Plan, make_plan
from pipelines.run import run_plan
from workbench.errors import Refusal, did_you_mean
from workbench.manifest import Manifest
from workbench.modality import Source
from workbench.record import RunFolder, verify_stage

if TYPE_CHECKING:
    from eval.report import Confusion, Searches
    from eval.space import Floats, Space
    from pipelines.shown import Hits, Metrics, Scores
    from pipelines.towers import Tower


def run(
    pipeline: str | Path, *, out: str | Path | None = None, set: Sequence[str] = (),
    limit: int | None = None, quiet: bool = False,
) -> Run:  # fmt: skip
    """Run a pipeline file, or a shipped recipe by name, and return the finished run.

    Args:
        pipeline: YAML file or recipe name.
        out: the run's folder; default runs/<name>-<digest>. The same call resumes.
        set: overrides such as "align.epochs=5".
        limit: about so many rows.
        quiet: print nothing.

    Raises:
        Refusal: the pipeline or its data would make a wrong run.
    """
    from pipelines.progress import Lines, Quiet

    plan = make_plan(pipeline, set)
    progress = Quiet() if quiet else Lines()
    folder = run_plan(plan, Path(out) if out else None, limit=limit, progress=progress)
    return Run(folder.path)


def open(path: str | Path) -> Run:
    """Open a finished run by its folder.

    Raises:
        Refusal: the folder holds no finished run.
    """
    return Run(Path(path))


class Run:
    """A finished run: its numbers, and its towers ready to use.

    Args:
        path: the run's folder.
    """

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        if not (path / "metrics.json").is_file():
            raise Refusal("E-CKP-011", file=str(path), field="metrics.json", found="no such file",
                          expected="the folder of a finished run")  # fmt: skip

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @cached_property
    def plan(self) -> Plan:
        """The plan, from the pipeline file as it was resolved."""
        return plan_of(self.path)

    @cached_property
    def manifest(self) -> Manifest:
        """The rows of the run."""
        from pipelines.reporting import open_manifest

        limit = json.loads((self.path / "pipeline.json").read_text())["limit"]
        return open_manifest(self.plan, self.path, limit)

    @cached_property
    def space(self) -> Space:
        """The vectors of the run."""
        from pipelines.embed import load_space

        return load_space(self.path / "embeddings" / "trained", self.manifest)

    @cached_property
    def towers(self) -> Mapping[str, Tower]:
        """The trained towers, verified against their digests."""
        from pipelines.training import load_towers

        verify_stage(self.folder.stage("checkpoints"))
        return load_towers(self.plan, self.folder.stage("checkpoints"))

    @property
    def metrics(self) -> Metrics:
        """One row per number, as in metrics.json; a DataFrame."""
        from pipelines.shown import Metrics

        return Metrics(self._rows())

    def confusion(self, entry: str | None = None) -> Confusion:
        """Return a confusion matrix.

        Args:
            entry: name of the entry of `evaluate:`, such as "zero_shot-ecg-finding-test"; by
                default the first that has one.

        Raises:
            Refusal: no entry of that name has one.
        """
        from pipelines.shown import confusion_of

        return confusion_of(self.folder.stage("predictions"), entry)

    def searches(self, entry: str | None = None) -> Searches:
        """Return the searches that the evaluation stored, with previews.

        Args:
            entry: name of the entry of `evaluate:`; by default the first that has searches.

        Raises:
            Refusal: no entry of that name has any.
        """
        from pipelines.reporting import previews_of
        from pipelines.shown import searches_of

        return searches_of(
            self.folder.stage("predictions"), entry,
            lambda shown: previews_of(self.plan, self.manifest, shown),
        )  # fmt: skip

    def embed(self, modality: str, cells: Sequence[str | Path]) -> Floats:
        """Return (N, E) float32 unit vectors of files or texts the run has never seen.

        Raises:
            BadInput: a file cannot be trusted.
            Refusal: the run has no such modality.
        """
        part, tower = self._part(modality), self.towers[modality]
        import torch

        from pipelines.embed import BATCH, encode

        parts = []
        for i in range(0, len(cells), BATCH):
            chunk = [Source(str(c)) for c in cells[i : i + BATCH]]
            samples = [part.modality.read(source, part.options) for source in chunk]
            with torch.inference_mode():
                parts.append(encode(tower, part.modality.collate(samples, part.options))[0])
        width = self.plan.pipeline.align.dim * self.plan.pipeline.align.stages
        return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)

    def zero_shot(
        self, *, classes: Mapping[str, Sequence[str]], anchor: str = "report", **query: str | Path
    ) -> Scores:
        """Classify one input by prompts.

        Args:
            classes: prompt texts by class; their vectors are averaged.
            anchor: modality that reads the prompts.
            query: the input, by modality: `ecg="new.hea"`.
        """
        from pipelines.shown import Scores

        self._refuse_other_score("zero_shot")
        modality, cell = self._one_query(query)
        vector = self.embed(modality, [cell])[0]
        rows = []
        for name, prompts in classes.items():
            mean = self.embed(anchor, list(prompts)).mean(axis=0)
            rows.append((name, float(vector @ (mean / max(float(np.linalg.norm(mean)), 1e-12)))))
        logits = np.array([s for _, s in rows]) * self._scale()
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        items = [
            {"class": name, "cosine": score, "probability": float(p)}
            for (name, score), p in zip(rows, shares, strict=True)
        ]
        return Scores(sorted(items, key=lambda item: -item["cosine"]))

    def search(
        self, *, gallery: str, k: int = 5, split: str | None = None, **query: str | Path
    ) -> Hits:
        """Return the k nearest items of a modality, by exact cosine.

        Args:
            gallery: modality to search in.
            k: how many.
            split: only items of this split.
            query: the input, by modality: `ecg="new.hea"`.
        """
        from pipelines.shown import Hits

        self._refuse_other_score("search")
        modality, cell = self._one_query(query)
        self._part(gallery)
        vector = self.embed(modality, [cell])[0]
        found = self.space.vectors[gallery]
        at = self.space.rows.position
        allowed = [i for i, row in enumerate(found.ids)
                   if split is None or self.space.rows.splits[at[row]] == split]  # fmt: skip
        scores = found.values[allowed] @ vector
        order = np.argsort(-scores, kind="stable")[:k]
        items = []
        for rank, n in enumerate(order, start=1):
            row = found.ids[allowed[int(n)]]
            items.append({"rank": rank, "id": row, "score": float(scores[n])})
        pictures = self._pictures(gallery, [str(item["id"]) for item in items])
        return Hits(items, pictures, f"{modality} {Path(cell).name[:60]}", gallery)

    def report(self) -> Path:
        """Write report.html again and return its path."""
        from pipelines.reporting import write_run_report

        write_run_report(self.plan, self.folder, self.manifest)
        return self.path / "report.html"

    def _repr_html_(self) -> str:
        from eval.report import metrics_html

        return f"<h4>{html.escape(self.plan.pipeline.name)}</h4>{metrics_html(self._rows())}"

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {len(self._rows())} numbers)"

    def _rows(self) -> list[dict[str, Any]]:
        return list(json.loads((self.path / "metrics.json").read_text()))

    def _part(self, modality: str) -> Any:
        parts = self.plan.parts
        if modality not in parts:
            raise Refusal("E-CFG-013", file=str(self.path), field="modality", found=repr(modality),
                          expected=f"one of {list(parts)}{did_you_mean(modality, parts)}")  # fmt: skip
        return parts[modality]

    def _one_query(self, query: Mapping[str, str | Path]) -> tuple[str, str | Path]:
        if len(query) != 1:
            raise Refusal("E-CFG-013", file=str(self.path), field="query", found=list(query),
                          expected=f"one of {list(self.plan.parts)} with a file or text")  # fmt: skip
        ((modality, cell),) = query.items()
        self._part(modality)
        return modality, cell

    def _refuse_other_score(self, call: str) -> None:
        """Refuse to compare by cosine what was trained with another score."""
        if self.space.score != "cosine":
            raise Refusal("E-CFG-022", file=str(self.path), field="score", found=self.space.score,
                          expected="cosine",
                          fix=f"{call} compares single vectors; use the tasks retrieval and "
                          "zero_shot of a pipeline, which rank with the trained score.")  # fmt: skip

    def _scale(self) -> float:
        """Return one over the trained temperature."""
        from safetensors.numpy import load_file

        path = self.folder.stage("checkpoints") / "objective.safetensors"
        state = load_file(str(path))
        return float(np.exp(state["log_scale"]).mean()) if "log_scale" in state else 1.0

    def _pictures(self, modality: str, ids: Sequence[str]) -> dict[str, bytes]:
        from pipelines import rows
        from pipelines.reporting import preview_png

        part = self.plan.parts[modality]
        cells = rows.cells(part, self.manifest)
        at = self.space.rows.position
        pictures = {}
        for row_id in ids:
            cell = cells[at[row_id]]
            if cell is not None:
                sample = part.modality.read(rows.source(part, cell, self.manifest), part.options)
                pictures[row_id] = preview_png(part, sample)
        return pictures


def plan_of(path: Path) -> Plan:
    """Return the plan of a run's folder, with paths still starting from its pipeline file.

    Raises:
        Refusal: the folder holds no run.
    """
    resolved = path / "pipeline.yaml"
    if not resolved.is_file():
        raise Refusal("E-CKP-011", file=str(path), field="pipeline.yaml", found="no such file",
                      expected="the folder of a run")  # fmt: skip
    base = json.loads((path / "pipeline.json").read_text()).get("base")
    return make_plan(resolved, base=Path(base) if base else None)
