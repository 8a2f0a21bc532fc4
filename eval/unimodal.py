"""What several modalities gain over the best single one, on the rows that hold them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eval.compare_tests import PERMUTATIONS, difference, holm, swap_test
from eval.intervals import Resampler
from eval.measures import Measure, measures_of, row_of
from eval.space import Space
from eval.task import Context, Metric, Result, Task
from workbench.modality import Options

UNIMODAL = "control:unimodal"
METRICS = ("accuracy", "auroc", "hit", "mrr")


def unimodal(
    asked: tuple[str, Task[Any]], space: Space, options: Options, context: Context, *,
    singles: Mapping[str, str], permutations: int = PERMUTATIONS,
) -> list[Metric]:  # fmt: skip
    """Return the rows of the best single modality, and of what all together gain over it.

    Which one is best is decided on validation; where that says nothing, on the measured split, which
    favours the control. The gain is a paired difference with the p of group swaps; the tests of one
    call are one family under Holm.

    Args:
        asked: the task's registry name, and the task.
        space: of the trained model.
        options: whose `query` is the joined or fused name.
        context: seed and replicates.
        singles: by modality the name of its vectors.
        permutations: of every test.
    """
    whole = _answer(asked, space, options, context)
    best, flag = _best(asked, space, options, context, singles=singles)
    if best is None:
        return []
    alone = _answer(asked, space, options.model_copy(update={"query": singles[best]}), context)
    query = getattr(options, "query", "")
    parents = {_key(m): (m, row_of(m, whole[1].rows)) for m in whole[0]}
    rows: list[Metric] = []
    for single in alone[0]:
        match, parent = parents.get(_key(single), (None, None))
        if match is not None and parent is not None:
            marked = replace(parent, query=query, flags=(f"best single modality: {best}", flag))
            rows += _pair(match, single, marked, context, permutations=permutations)
    adjusted = holm([row.p for row in rows])
    return [replace(row, p_adjusted=p) for row, p in zip(rows, adjusted, strict=True)]


def _answer(
    asked: tuple[str, Task[Any]], space: Space, options: Options, context: Context
) -> tuple[list[Measure], Result]:
    """Return a task's numbers in one direction, without intervals."""
    if "both_directions" in type(options).model_fields:
        options = options.model_copy(update={"both_directions": False})
    result = asked[1].run(space, options, replace(context, replicates=0))
    found = measures_of(
        asked[0], result.predictions, options.model_dump(), classes=result.extras.get("classes")
    )
    return [m for m in found if m.place["metric"] in METRICS], result


def _best(
    asked: tuple[str, Task[Any]], space: Space, options: Options, context: Context, *,
    singles: Mapping[str, str],
) -> tuple[str | None, str]:  # fmt: skip
    """Return the modality whose first number is highest, and where that was seen."""
    own = str(getattr(options, "split", "test"))
    for split in dict.fromkeys((str(getattr(options, "val_split", "val")), own)):
        found: dict[str, float] = {}
        for name, vectors in singles.items():
            given = options.model_copy(update={"query": vectors, "split": split})
            value = _first(_answer(asked, space, given, context)[0])
            if value is not None:
                found[name] = value
        if len(found) == len(singles):
            flag = f"chosen on {split}" + (", which favours it" if split == own else "")
            return max(sorted(found), key=found.__getitem__), flag
    return None, ""


def _first(measures: Sequence[Measure]) -> float | None:
    if not measures:
        return None
    one = measures[0]
    replicates = Resampler(one.groups, 0, 0)
    return replicates.point(one.statistic(np.arange(len(one.ids)), replicates.index))


def _pair(
    whole: Measure, single: Measure, parent: Metric, context: Context, *, permutations: int
) -> list[Metric]:
    """Return the single modality's number and the gain, both on the rows that both measured."""
    common = sorted(set(whole.ids) & set(single.ids))
    first, other = (_where(measure, common) for measure in (whole, single))
    replicates = Resampler(first.groups, context.seed, context.replicates)
    index, groups = replicates.index, len(replicates.names)
    joint = first.joined(other).statistic(
        np.arange(2 * len(common)), np.concatenate([index, index + groups])
    )
    alone = other.statistic(np.arange(len(common)), index)
    p = None if groups == 0 else swap_test(joint, groups, seed=context.seed,
                                           permutations=permutations)  # fmt: skip
    rows = []
    for statistic, columns in (
        (alone, {"model": UNIMODAL}),
        (difference(joint, groups), {"metric": f"{parent.metric}_gain", "compared_to": UNIMODAL,
                                     "chance": None, "p": p}),
    ):  # fmt: skip
        made = replicates.estimate(statistic)
        rows.append(replace(
            parent, value=made.value, ci_low=made.low, ci_high=made.high, ci_method=made.method,
            n_replicates=made.replicates, n_degenerate=made.degenerate, reason=made.reason,
            flags=(*parent.flags, *made.flags), n=len(common), n_groups=groups, ties=None,
            **columns,
        ))  # fmt: skip
    return rows


def _where(measure: Measure, ids: Sequence[str]) -> Measure:
    """Return the measure of some rows."""
    place = {row_id: i for i, row_id in enumerate(measure.ids)}
    at = [place[row_id] for row_id in ids]
    return replace(
        measure, ids=tuple(ids), groups=tuple(measure.groups[i] for i in at),
        values=measure.values[at], truth=measure.truth[at],
        sides=tuple(measure.sides[i] for i in at),
    )  # fmt: skip


def _key(measure: Measure) -> tuple[str, ...]:
    return tuple(str(measure.place.get(key)) for key in ("metric", "k", "average", "label", "pool"))
