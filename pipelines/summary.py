"""Short answers for the terminal: what a run found, and the neighbours of one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import Refusal
from workbench.record import RunFolder

HEADLINES = ("balanced_accuracy", "accuracy", "auroc", "hit", "map")


def summary(folder: RunFolder) -> str:
    """Return the headline numbers of a finished run and where its report is."""
    from eval.report import metrics_text

    metrics = json.loads((folder.path / "metrics.json").read_text())
    chosen = [m for m in metrics if m["model"] == "trained" and m["metric"] in HEADLINES]
    table = metrics_text(chosen or metrics)
    return f"{table}\n\nreport: {folder.path / 'report.html'}"


def search_text(run: Path, words: Sequence[str], gallery: str, k: int) -> str:
    """Return the nearest items as lines; `words` is the query, such as ["--ecg", "new.hea"]."""
    from pipelines.api import open as open_run

    if len(words) != 2 or not words[0].startswith("--"):
        raise Refusal("E-CFG-013", file="command line", field="query", found=" ".join(words),
                      expected="--MODALITY FILE, such as --ecg new.hea")  # fmt: skip
    hits = open_run(run).search(gallery=gallery, k=k, **{words[0][2:]: words[1]})
    return "\n".join(f"{i['rank']:>3}  {i['score']:.4f}  {i['id']}" for i in hits.items)
