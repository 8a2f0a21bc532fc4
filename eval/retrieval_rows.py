"""Per-query outcomes of a search, and the metric rows they average to.

Legend: N queries, K best items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval import ties
from eval.ranking import Ranked
from eval.rows import Sheet
from eval.ties import Ints, Ranking, Reals
from eval.weighted import mean, median

if TYPE_CHECKING:
    from eval.retrieval import RetrievalOptions

Name = tuple[str, int | None]

MOST_PAIRS = 10**8
MOST_TIED = 0.001
PER_QUERY = ("n_above", "n_tied", "n_tied_positive", "gallery_size")


@dataclass(frozen=True)
class Outcomes:
    """What was measured on N queries.

    Attributes:
        metrics: (N,) values by (metric, k), NaN where not defined.
        chances: (N,) the same under one block of tied items.
        first: (N,) counts at the first positive, by the names of `PER_QUERY`; NaN without one.
        best: (N, K) gallery entries, best first.
        scores: (N, K) their scores.
        refused: metrics that were not computed, with the reason.
    """

    metrics: Mapping[Name, Reals]
    chances: Mapping[Name, Reals]
    first: Mapping[str, Reals]
    best: Ints
    scores: Reals
    refused: Mapping[Name, str]

    def where(self, mask: NDArray[np.bool_]) -> Outcomes:
        """Return the outcomes of some queries."""
        return Outcomes(
            {name: values[mask] for name, values in self.metrics.items()},
            {name: values[mask] for name, values in self.chances.items()},
            {name: values[mask] for name, values in self.first.items()},
            self.best[mask], self.scores[mask], self.refused,
        )  # fmt: skip


def formulas(options: RetrievalOptions) -> dict[Name, Callable[[Ranking], Reals]]:
    """Return every per-query metric the options ask for."""
    found: dict[Name, Callable[[Ranking], Reals]] = {}
    for k in options.k:
        found["hit", k] = partial(ties.hit, k=k)
        found["recall", k] = partial(ties.recall, k=k)
        found["precision", k] = partial(ties.precision, k=k)
        found["ndcg", k] = partial(ties.ndcg, k=k)
        found["map", k] = partial(ties.average_precision, k=k)
        for size in options.at_gallery:
            found[f"hit_in_{size}", k] = partial(ties.hit_in_smaller_gallery, k=k, size=size)
    found["mrr", None] = ties.mrr
    found["map", None] = ties.average_precision
    found["map_at_r", None] = ties.map_at_r
    found["first_rank", None] = ties.rank
    return found


def outcomes_of(
    parts: Iterable[Ranked], count: int, options: RetrievalOptions, *, top: int
) -> Outcomes:
    """Apply every formula to blocks of ranked queries and to their chance."""
    wanted = formulas(options)
    metrics = {name: np.full(count, np.nan) for name in wanted}
    chances = {name: np.full(count, np.nan) for name in wanted}
    first = {name: np.full(count, np.nan) for name in PER_QUERY}
    best, scores = np.full((count, top), -1, dtype=np.int64), np.full((count, top), np.nan)
    pairs = 0
    for part in parts:
        blind = part.ranking.chance()
        for name, formula in wanted.items():
            metrics[name][part.numbers] = formula(part.ranking)
            chances[name][part.numbers] = formula(blind)
        _note_first(first, part)
        best[part.numbers], scores[part.numbers] = part.best, part.scores
        pairs += int(part.ranking.total.sum())
    refused: dict[Name, str] = {}
    if pairs > MOST_PAIRS:
        refused["map", None] = f"{pairs} positives in all, map is refused above {MOST_PAIRS}"
    smallest = np.nanmin(first["gallery_size"], initial=np.inf) if count else 0
    for name in wanted:
        if name[1] is not None and name[1] > smallest:
            refused[name] = f"a gallery holds {int(smallest)} entries, fewer than k"
    return Outcomes(metrics, chances, first, best, scores, refused)


def _note_first(first: Mapping[str, Reals], part: Ranked) -> None:
    """Keep the counts at each query's first positive."""
    ranking = part.ranking
    has = np.flatnonzero(ranking.first >= 0)
    block = ranking.first[has]
    first["n_above"][part.numbers[has]] = ranking.above[block]
    first["n_tied"][part.numbers[has]] = ranking.tied[block]
    first["n_tied_positive"][part.numbers[has]] = ranking.positives[block]
    first["gallery_size"][part.numbers] = ranking.size


def add_rows(page: Sheet, outcomes: Outcomes, options: RetrievalOptions) -> None:
    """Add one row per metric, and optimistic and pessimistic rows where ties are common."""
    index = page.resampler.index
    tied = outcomes.first["n_tied"] > outcomes.first["n_tied_positive"]
    columns: dict[str, Any] = {
        "average": "micro",
        "ties": int(tied.sum()),
        "flags": _duplicates(page),
    }
    for name, values in outcomes.metrics.items():
        metric, k = name
        if metric == "first_rank":
            continue
        if name in outcomes.refused:
            page.add_value(metric, None, reason=outcomes.refused[name], k=k, **columns)
            continue
        filled, chances = (_missed(v, options) for v in (values, outcomes.chances[name]))
        chance = _mean(chances)
        page.add(metric, mean(filled, index), chance=chance, k=k, **columns)
    _add_ranks(page, outcomes, columns)
    if len(tied) and tied.mean() > MOST_TIED:
        _add_extremes(page, outcomes, options, columns=columns)


def _add_ranks(page: Sheet, outcomes: Outcomes, columns: Mapping[str, Any]) -> None:
    """Add the mean and median rank of the first positive, also as shares of the gallery."""
    index, name = page.resampler.index, ("first_rank", None)
    size = outcomes.first["gallery_size"]
    ranks, chance = outcomes.metrics[name], outcomes.chances[name]
    for suffix, divisor in (("", 1.0), ("_share", size)):
        value, luck = ranks / divisor, chance / divisor
        middle = page.resampler.point(median(luck, index))
        page.add("median_rank" + suffix, median(value, index), chance=middle, **columns)
        page.add("mean_rank" + suffix, mean(value, index), chance=_mean(luck), **columns)


def _add_extremes(
    page: Sheet, outcomes: Outcomes, options: RetrievalOptions, *, columns: Mapping[str, Any]
) -> None:
    """Add hit@k if every tie went the query's way, and if none did."""
    above, tied = outcomes.first["n_above"], outcomes.first["n_tied"]
    last = above + tied - outcomes.first["n_tied_positive"]
    for k in options.k:
        if ("hit", k) in outcomes.refused:
            continue
        for metric, before in (("hit_optimistic", above), ("hit_pessimistic", last)):
            values = np.where(np.isfinite(before), (before < k).astype(float), np.nan)
            statistic = mean(_missed(values, options), page.resampler.index)
            page.add(metric, statistic, k=k, **columns)


def _missed(values: Reals, options: RetrievalOptions) -> Reals:
    """Count a query without positives as a miss where the options say so."""
    return np.nan_to_num(values, nan=0.0) if options.no_positive == "miss" else values


def _mean(values: Reals) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _duplicates(page: Sheet) -> tuple[str, ...]:
    joined = int(page.shared["gallery_size_raw"]) - int(page.shared["gallery_size"])
    return (f"{joined} copies joined",) if joined else ()
