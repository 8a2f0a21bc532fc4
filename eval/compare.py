"""Compares models on the same test rows: paired differences, their intervals, and tests.

Legend: n rows, G groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from eval.compare_tests import PERMUTATIONS, difference, holm, swap_test
from eval.intervals import Estimate, Resampler
from eval.measures import Measure
from workbench.errors import Refusal

PLACE = ("query", "gallery", "relation", "label", "metric", "k", "average", "pool")


@dataclass(frozen=True)
class Entrant:
    """One model's numbers on one task.

    Attributes:
        name: of the model, such as its run's folder.
        measures: its numbers.
    """

    name: str
    measures: Sequence[Measure]


@dataclass(frozen=True)
class Contest:
    """How models are compared.

    Attributes:
        seed: of replicates and permutations.
        replicates: fewest bootstrap replicates; 100 per test where that is more.
        permutations: of every test.
    """

    seed: int = 0
    replicates: int = 2000
    permutations: int = PERMUTATIONS


Line = dict[str, Any]


def standings(entrants: Sequence[Entrant], contest: Contest) -> list[Line]:
    """Return every model's numbers with intervals from the same replicates; best first is rank 1.

    Raises:
        Refusal: the models were measured on different rows.
    """
    resampler = _resampler(contest, contest.replicates)
    lines: list[Line] = []
    for measures in _shared(entrants):
        found = []
        for entrant, measure in zip(entrants, measures, strict=True):
            replicates = resampler(measure.groups)
            rows = np.arange(len(measure.ids))
            estimate = replicates.estimate(measure.statistic(rows, replicates.index))
            found.append(_line(measure, estimate, run=entrant.name))
        best = sorted(-line["value"] for line in found if line["value"] is not None)
        lines += [
            {**line, "rank": None if line["value"] is None else best.index(-line["value"]) + 1}
            for line in found
        ]
    return lines


def differences(entrants: Sequence[Entrant], contest: Contest) -> list[Line]:
    """Return every model's difference to the first: interval, permutation p, and Holm's.

    Interval and value come from replicates that both models share; p swaps the two models'
    outcomes group by group. All lines are one family.

    Raises:
        Refusal: the models were measured on different rows.
    """
    shared = _shared(entrants)
    tests = len(shared) * (len(entrants) - 1)
    resampler = _resampler(contest, max(contest.replicates, 100 * tests))
    lines: list[Line] = []
    for first, *others in shared:
        for entrant, other in zip(entrants[1:], others, strict=True):
            replicates = resampler(first.groups)
            groups, index = len(replicates.names), replicates.index
            both = other.joined(first)
            rows = np.arange(len(both.ids))
            joint = both.statistic(rows, np.concatenate([index, index + groups]))
            estimate = replicates.estimate(difference(joint, groups))
            line = _line(first, estimate, run=entrant.name)
            p = swap_test(joint, groups, seed=contest.seed, permutations=contest.permutations)
            lines.append({**line, "compared_to": entrants[0].name, "p": p})
    adjusted = holm([line["p"] for line in lines])
    return [{**line, "p_adjusted": p} for line, p in zip(lines, adjusted, strict=True)]


def refuse_other_rows(one: Entrant, other: Entrant, mine: Measure, theirs: Measure) -> None:
    """Refuse to compare numbers of different rows.

    Raises:
        Refusal: ids, groups, or what the rows are measured against differ, with how many.
    """
    if mine.ids != theirs.ids:
        only = len(set(mine.ids) - set(theirs.ids)), len(set(theirs.ids) - set(mine.ids))
        found = f"{only[0]} test rows only in {one.name}, {only[1]} only in {other.name}"
    elif mine.groups != theirs.groups:
        found = f"{_unequal(mine.groups, theirs.groups)} rows of other groups"
    elif mine.sides != theirs.sides:
        what = "other positives or galleries" if mine.place.get("relation") else "other labels"
        found = f"{_unequal(mine.sides, theirs.sides)} rows with {what}"
    elif mine.values.shape != theirs.values.shape:
        found = f"{theirs.values.shape[1]} classes instead of {mine.values.shape[1]}"
    else:
        return
    raise Refusal(
        "E-CFG-028", file=other.name, field=mine.name, found=found,
        expected=f"the test rows of {one.name}",
        fix="Evaluate both runs on one manifest, then compare.",
    )  # fmt: skip


def _shared(entrants: Sequence[Entrant]) -> list[list[Measure]]:
    """Return the numbers that all models have, each as one list in the order of the models."""
    tables = [{_key(m.place): m for m in entrant.measures} for entrant in entrants]
    found = [[table[key] for table in tables] for key in tables[0]
             if all(key in table for table in tables)]  # fmt: skip
    for measures in found:
        for entrant, measure in zip(entrants[1:], measures[1:], strict=True):
            refuse_other_rows(entrants[0], entrant, measures[0], measure)
    return found


def _key(place: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(place.get(name) for name in PLACE)


def _unequal(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _resampler(contest: Contest, replicates: int) -> Callable[[tuple[str, ...]], Resampler]:
    """Return the function that makes each set of rows its replicates, once."""

    @cache
    def made(groups: tuple[str, ...]) -> Resampler:
        return Resampler(groups, contest.seed, replicates)

    return made


def _line(measure: Measure, estimate: Estimate, *, run: str) -> Line:
    """Return whose number it is, which number, and how sure."""
    return {
        "run": run, **{name: measure.place.get(name) for name in PLACE},
        "value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high,
        "ci_method": estimate.method, "n": len(measure.ids),
        "n_groups": len(set(measure.groups)), "reason": estimate.reason,
        "flags": list(estimate.flags),
    }  # fmt: skip
