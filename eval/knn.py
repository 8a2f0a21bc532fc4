"""The `knn` task: the class of a query by a vote of its nearest training items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from eval.labels import Labels, Uncertain
from eval.space import Space
from eval.task import Context, Result, Task
from workbench.modality import Options

if TYPE_CHECKING:
    from eval.votes import Votes

By = Literal["features", "values"]


class KnnOptions(Options):
    """Which vectors vote for which label, and how many."""

    query: str
    label: str
    labels: Labels = "single"
    uncertain: Uncertain = "exclude"
    by: tuple[By, ...] = Field(default=("features", "values"), min_length=1)
    gallery_split: str = "train"
    val_split: str = "val"
    split: str = "test"
    k: tuple[int, ...] = Field(default=(1, 5, 20), min_length=1)
    min_positives: int = Field(default=10, ge=1)


class Knn(Task[KnnOptions]):
    """Majority vote of the k nearest by cosine; a tied vote goes to the nearest member's class.

    Column `k` of its rows is the number of neighbours; a flag says which k validation prefers.
    """

    options = KnnOptions

    def run(self, space: Space, options: KnnOptions, context: Context) -> Result:
        """Vote with every k and every kind of vector."""
        from eval.supervised import measure
        from eval.votes import Votes

        made: dict[tuple[int, str], Votes] = {}

        def vote(k: int) -> Result:
            return measure(
                space, options, context, task="knn", kinds=options.by,
                learner=lambda kind: made.setdefault((k, kind), Votes("cosine", k)),
            )  # fmt: skip

        results = [vote(k) for k in options.k]
        chosen: dict[str | None, int | None] = {kind: _chosen(made, kind) for kind in options.by}
        rows = [
            replace(row, k=k, flags=(*row.flags, f"k chosen on {options.val_split}"))
            if chosen.get(row.pool) == k
            else replace(row, k=k)
            for k, result in zip(options.k, results, strict=True)
            for row in result.rows
        ]
        predictions: dict[str, Any] = dict(results[0].predictions)
        for k, result in zip(options.k, results, strict=True):
            for by in options.by:
                for name in ("scores", "prediction"):
                    values = result.predictions.get(f"{name}_{by}")
                    predictions.pop(f"{name}_{by}", None)
                    if values is not None:
                        predictions[f"{name}_{by}_k{k}"] = values
        return Result(rows, predictions, results[0].extras)


def _chosen(made: Mapping[tuple[int, str], Votes], kind: str) -> int | None:
    """Return the k of the best validation quality, the smallest among equals; None without one."""
    known = {
        k: votes.quality
        for (k, of), votes in sorted(made.items())
        if of == kind and votes.quality is not None
    }
    return max(known, key=lambda k: known[k]) if len(known) > 1 else None
