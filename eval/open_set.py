"""The `open_set` task: whether what belongs to no known class is noticed, and what is then right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from eval.class_anchors import AnchorOptions, class_anchors, prompt_texts
from eval.space import Rows, Space
from eval.task import Context, Result, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.open_set_rows import Asked

    Reals = NDArray[np.float64]

Novelty = Literal["cosine", "knn", "logsumexp"]


class OpenSetOptions(AnchorOptions):
    """What is known, who is asked, and how novelty is scored.

    A row whose label has anchors is known; a row with another label is novel.

    Attributes:
        splits: rows that are asked.
        val_splits: where the rejection threshold comes from; its novel classes must be others.
        novelty: "cosine" is 1 - the best class score, "knn" 1 - the cosine of the k-th nearest
            example (`neighbours`), "logsumexp" -tau·log sum exp(class score / tau).
        rule: how the threshold is chosen on validation.
        coverages: shares of the most confident rows whose accuracy is printed.
    """

    splits: tuple[str, ...] = Field(default=("test_seen", "test_unseen"), min_length=1)
    val_splits: tuple[str, ...] = ()
    novelty: Novelty = "cosine"
    rule: Literal["youden", "sensitivity", "f1"] = "youden"
    coverages: tuple[float, ...] = (0.8, 0.9)

    @model_validator(mode="after")
    def _fitting(self) -> OpenSetOptions:
        shared = set(self.splits) & set(self.val_splits)
        if shared:
            raise ValueError(f"{sorted(shared)} would set the threshold that is measured on them")
        if self.anchors is not None and self.anchors.split in (*self.splits, *self.val_splits):
            raise ValueError("anchors.from is a split that is asked: a query would be its example")
        if self.novelty == "knn" and self.anchors is None:
            raise ValueError("novelty knn is for anchors that are examples")
        if any(not 0 < share <= 1 for share in self.coverages):
            raise ValueError("coverages are shares above 0, at most 1")
        return self

    @property
    def split(self) -> str:
        """The splits that are asked, as the rows name them."""
        return "+".join(self.splits)


class OpenSet(Task[OpenSetOptions]):
    """Novelty against the anchors of known classes; accuracy where the unsure may be rejected."""

    options = OpenSetOptions

    def texts(
        self, options: OpenSetOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return every prompt of every known class."""
        return prompt_texts(options, rows, context)

    def run(self, space: Space, options: OpenSetOptions, context: Context) -> Result:
        """Score novelty on the splits; choose the threshold on validation.

        Raises:
            Refusal: validation and test share novel classes.
        """
        from eval import open_set_rows as made

        anchors = class_anchors(space, options, context)
        test = made.asked(anchors, options, options.splits)
        page = made.sheet_of(space, options, context, anchors=anchors, test=test)
        at = None
        if len(test.ids) == 0:
            page.add_value("auroc", None, reason="no row is left")
        else:
            val = made.asked(anchors, options, options.val_splits)
            at, why_not = made.threshold(test, val, options)
            made.add_areas(page, test)
            made.add_risk(page, test, options)
            made.add_threshold(page, test, at, reason=why_not, options=options)
        return Result(page.rows, _table(test, at), {
            "classes": list(anchors.classes), "curve": made.curve(test),
            "thresholds": [{"label": "novel", "value": at, "rule": options.rule,
                            "split": "+".join(options.val_splits)}],
        })  # fmt: skip


def _table(test: Asked, at: float | None) -> dict[str, list[Any]]:
    """Return one line per row: its novelty, what it is, and what was said of it."""
    columns: dict[str, list[Any]] = {}
    start = 0
    for part in test.parts:
        inside = slice(start, start + len(part))
        start += len(part)
        novelty = test.novelty[inside]
        table = part.table({
            "label": test.labels[inside],
            "novel": [bool(value) for value in test.novel[inside]],
            "novelty": [float(value) for value in novelty],
            "prediction": test.predictions[inside],
            "right": [float(value) for value in test.right[inside]],
            "rejected": [None if at is None else bool(value >= at) for value in novelty],
        })  # fmt: skip
        for name, values in table.items():
            columns.setdefault(name, []).extend(values)
    order = sorted(range(len(columns.get("id", ()))), key=lambda i: columns["id"][i])
    return {name: [values[i] for i in order] for name, values in columns.items()}
