"""The `subgroups` task: another task's numbers in every part of the people, each beside the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from eval.asked import AskingOptions, nothing
from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task

if TYPE_CHECKING:
    from eval.measures import Measure

PRESENCE = "presence"
"""A column of this name, where the manifest has none, is which modalities a row holds."""


class SubgroupOptions(AskingOptions):
    """Whose numbers are split up, and by which columns of the manifest."""

    may_ask: ClassVar[tuple[str, ...]] = ("zero_shot", "probe", "knn", "retrieval")

    columns: tuple[str, ...] = Field(min_length=1)
    bands: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    metrics: tuple[str, ...] = Field(default=("accuracy", "auroc", "hit", "mrr"), min_length=1)
    k: tuple[int, ...] = (1, 5)
    least_groups: int = Field(default=20, ge=2)
    leave_out: str | None = None
    permutations: int = Field(default=10_000, ge=100)

    @model_validator(mode="after")
    def _bands_of_columns(self) -> SubgroupOptions:
        for name, edges in self.bands.items():
            if name not in self.columns:
                raise ValueError(f"bands.{name} is not among columns {list(self.columns)}")
            if not edges or list(edges) != sorted(set(edges)):
                raise ValueError(f"bands.{name} must be rising numbers, such as [18, 40, 65]")
        return self


class Subgroups(Task[SubgroupOptions]):
    """A task's numbers by sex, age band, site or any column, with gaps; leave-one-site-out too."""

    options = SubgroupOptions

    def texts(
        self, options: SubgroupOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return the prompts of the task that is asked."""
        return options.texts(rows, context)

    def run(self, space: Space, options: SubgroupOptions, context: Context) -> Result:
        """Ask the task once and split up its predictions.

        Raises:
            Refusal: the manifest has no such column, or a band's column is no number.
        """
        from eval.subgroup_rows import Divided, parts_of, with_holm

        result = options.asked.answer(space, context)
        columns = list(dict.fromkeys([*options.columns, *filter(None, [options.leave_out])]))
        chosen = _measures(options, result)
        found: list[tuple[Measure, Metric, str, list[str]]] = [
            (measure, parent, name,
             parts_of(space, name, measure.ids, edges=options.bands.get(name, ())))
            for measure, parent in chosen for name in columns
        ]  # fmt: skip
        least, permutations = options.least_groups, options.permutations
        tests = sum(
            len(Divided(measure, context, least, permutations).shown(parts))
            for measure, _, _, parts in found
        )
        context = replace(context, replicates=_replicates(context, tests))
        rows: list[Metric] = []
        listed: dict[tuple[str, str], dict[str, Any]] = {}
        for measure, parent, name, parts in found:
            one = Divided(measure, context, least, permutations)
            rows += one.rows(parent, name, parts)
            if name == options.leave_out:
                rows += one.without_each(parent, name, parts)
            listed |= {(s["column"], s["value"]): s for s in one.suppressed(name, parts)}
        if not found:
            rows = [nothing(space, options, task="subgroups", metric=options.metrics[0])]
        return Result(with_holm(rows), {}, {"suppressed": list(listed.values())})


def _replicates(context: Context, tests: int) -> int:
    """Return more replicates where many comparisons share one family."""
    return max(context.replicates, 100 * tests) if context.replicates else 0


def _measures(options: SubgroupOptions, result: Result) -> list[tuple[Measure, Metric]]:
    """Return the numbers to split up, each with the row that the task itself gave it."""
    from eval.measures import measures_of, row_of

    inner = options.asked.options.model_dump()
    classes = result.extras.get("classes")
    return [
        (measure, replace(row, task="subgroups"))
        for measure in measures_of(options.of["task"], result.predictions, inner, classes=classes)
        if measure.place["metric"] in options.metrics
        and measure.place.get("k") in (None, *options.k)
        and (row := row_of(measure, result.rows)) is not None
    ]
