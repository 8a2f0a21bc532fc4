"""The `regression` task: how well a straight line through the vectors tells a number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from eval.space import Space
from eval.task import Context, Metric, Result, Task
from workbench.modality import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eval.rows import Sheet
    from eval.space import Floats

    Reals = NDArray[np.float64]

By = Literal["features", "values"]

NOT_A_NUMBER = "not a number"


class RegressionOptions(Options):
    """Which vectors tell which number, and where the line is fitted.

    Attributes:
        query: modality.
        label: column of numbers, such as an age, a fraction or a thickness.
        by: encoder "features", shared-space "values", or both.
        train_split: where the line is fitted.
        val_split: where alpha is chosen.
        split: what is predicted.
        alphas: strengths of the penalty to choose from.
    """

    query: str
    label: str
    by: tuple[By, ...] = Field(default=("features", "values"), min_length=1)
    train_split: str = "train"
    val_split: str = "val"
    split: str = "test"
    alphas: tuple[float, ...] = Field(
        default=tuple(10.0**power for power in range(-3, 7)), min_length=1
    )

    @model_validator(mode="after")
    def _honest(self) -> RegressionOptions:
        if any(not alpha > 0 for alpha in self.alphas):
            raise ValueError("every alpha must be above 0")
        if self.split in (self.train_split, self.val_split) or self.train_split == self.val_split:
            raise ValueError("train_split, val_split and split must differ")
        return self


class Regression(Task[RegressionOptions]):
    """Ridge regression on standardised training vectors; alpha from validation, score on test."""

    options = RegressionOptions

    def run(self, space: Space, options: RegressionOptions, context: Context) -> Result:
        """Fit one line per kind of vector and predict the split."""
        import numpy as np

        from eval.rows import config_digest, resampler, sheet
        from eval.selection import column, features_of, select

        cells = column(space.rows, options.label)
        splits = (options.train_split, options.val_split, options.split)
        parts = [select(space, options.query, s, why_not=_fault(cells)) for s in splits]
        truths = [np.array([_number(cells[row]) for row in part.rows], float) for part in parts]
        test = parts[2]
        replicates = resampler(test.groups, context)
        rows: list[Metric] = []
        columns: dict[str, Sequence[Any]] = {"label": truths[2].tolist()}
        for kind in options.by:
            page = sheet(
                replicates, task="regression", query=options.query, label=options.label,
                split=options.split, model=space.model, pool=kind, n_excluded=test.excluded,
                config_digest=config_digest(options, context),
            )  # fmt: skip
            vectors = [features_of(space, options.query, part, by=kind) for part in parts]
            known = [part for part in vectors if part is not None]
            if len(known) < len(parts) or min(len(truths[0]), len(truths[2])) == 0:
                bare = len(known) < len(parts)
                reason = "these vectors were not kept" if bare else "no row is left"
                page.add_value("r2", None, reason=reason)
            else:
                found = _predict(page, known, truths, options=options)
                columns[f"prediction_{kind}"] = found.tolist()
            rows += page.rows
        return Result(rows, test.table(columns))


def _predict(
    page: Sheet, vectors: list[Floats], truths: list[Reals], *, options: RegressionOptions
) -> Reals:
    """Fit, choose, predict and add the rows; return (n,) predictions."""
    import numpy as np

    from eval.predicted_numbers import absolute_error, r2, spearman
    from eval.ridge import choose, fit

    model = fit(vectors[0], truths[0])
    alpha = choose(model, options.alphas, vectors[1], numbers=truths[1])
    flags = (f"alpha {alpha:g} from {options.val_split}",) if alpha is not None else ()
    if alpha is None:
        alpha = sorted(options.alphas)[len(options.alphas) // 2]
        flags = (f"alpha {alpha:g}: alpha-not-selected",)
    found, truth, index = model.predict(vectors[2], alpha), truths[2], page.resampler.index
    blind = np.full_like(truth, model.mean)
    for metric, formula in (("r2", r2), ("mae", absolute_error)):
        luck = page.resampler.point(formula(truth, blind, index))
        page.add(metric, formula(truth, found, index), chance=luck, flags=flags)
    page.add("spearman", spearman(truth, found, index), chance=0.0, flags=flags)
    return found


def _fault(cells: Sequence[str | None]) -> Callable[[int], str | None]:
    """Return the function that says why a manifest row has no number."""
    from eval.selection import NO_LABEL

    def why_not(row: int) -> str | None:
        if cells[row] is None:
            return NO_LABEL
        return None if math.isfinite(_number(cells[row])) else NOT_A_NUMBER

    return why_not


def _number(cell: str | None) -> float:
    """Return the number of a cell, NaN where it is none."""
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
