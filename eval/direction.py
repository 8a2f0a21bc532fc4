"""The directions of a retrieval: ranks, metric rows, per-query predictions and examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.gallery import Gallery, also_in_gallery, build, excluded, training_items
from eval.presence import add_presence
from eval.problems import posed, ranked
from eval.ranking import Problem, Ranked, rank_both
from eval.relations import Keys, row_keys
from eval.retrieval import RetrievalOptions
from eval.retrieval_rows import PER_QUERY, Outcomes, add_rows, outcomes_of
from eval.rows import config_digest, resampler, sheet
from eval.selection import Selection, select
from eval.side_ranking import SideProblem
from eval.space import Space
from eval.task import Context, Metric, Result
from eval.ties import Ints

NO_KEY = "nothing to relate by"
NO_POSITIVE = "no positive"
EXAMPLES = 12
NEIGHBOURS = 5


@dataclass(frozen=True)
class Posed:
    """One direction before it is ranked."""

    options: RetrievalOptions
    queries: Selection
    gallery: Gallery
    problem: Problem | SideProblem


@dataclass(frozen=True)
class Searched:
    """The queries of one direction with everything measured on them."""

    queries: Selection
    gallery: Gallery
    positives: Sequence[Ints]
    outcomes: Outcomes
    novel: NDArray[np.bool_]


def search(space: Space, options: RetrievalOptions, context: Context) -> Result:
    """Rank the gallery for every query of one direction."""
    search = _pose(space, options)
    return _report(space, options, context, found=_measure(space, search, ranked(search.problem)))


def search_both(space: Space, options: RetrievalOptions, context: Context) -> list[Result]:
    """Rank both directions; vectors that only change sides are multiplied once."""
    first, second = (_pose(space, way) for way in (options, options.reversed()))
    if isinstance(first.problem, Problem) and isinstance(second.problem, Problem):
        parts: Sequence[Iterable[Ranked]] = rank_both(first.problem, second.problem)
    else:
        parts = [ranked(first.problem), ranked(second.problem)]
    return [
        _report(space, search.options, context, found=_measure(space, search, part))
        for search, part in zip((first, second), parts, strict=True)
    ]


def _report(
    space: Space, options: RetrievalOptions, context: Context, *, found: Searched
) -> Result:
    """Turn outcomes into rows, predictions and examples."""
    shared = {
        "task": "retrieval", "query": options.query, "gallery": options.gallery,
        "relation": options.relation, "split": options.split, "model": space.model,
        "score": space.score, "rank": options.columns()[-1] if options.ranks else None,
        "gallery_size": len(found.gallery), "gallery_size_raw": found.gallery.raw_size,
        "config_digest": config_digest(options, context), "n_excluded": found.queries.excluded,
        "flags": _gallery_flags(space, options, found),
    }  # fmt: skip
    pools: list[tuple[str | None, NDArray[np.bool_]]] = [
        (None, np.ones(len(found.queries), dtype=bool))
    ]
    if found.novel.size and (~found.novel).any():
        pools = [("all", pools[0][1]), ("novel", found.novel)]
    rows: list[Metric] = []
    for pool, mask in pools:
        groups = tuple(found.queries.groups[i] for i in np.flatnonzero(mask))
        page = sheet(resampler(groups, context), **shared, pool=pool)
        outcomes = found.outcomes.where(mask)
        add_rows(page, outcomes, options)
        add_presence(page, space, options.gallery, found.gallery, outcomes=outcomes)
        rows += page.rows
    return Result(rows, _predictions(found, options), {"neighbours": _examples(found, options)})


def _pose(space: Space, options: RetrievalOptions) -> Posed:
    """Choose queries and gallery, and relate them."""
    keys = row_keys(space.rows, options.relation, options.columns(), match=options.match)
    queries = select(
        space, options.query, options.split, why_not=lambda row: None if keys[row] else NO_KEY
    )
    chosen = select(space, options.gallery, options.gallery_split or options.split)
    gallery = build(space.vectors[options.gallery], chosen, space.rows, merge=options.merge)
    positives, hidden = _related(gallery, queries, keys, options=options)
    if options.no_positive == "exclude":
        bare = {i: NO_POSITIVE for i, found in enumerate(positives) if len(found) == 0}
        keep = [i for i in range(len(queries)) if i not in bare]
        queries = queries.without(bare)
        positives, hidden = [positives[i] for i in keep], [hidden[i] for i in keep]
    problem = posed(
        space, (options.query, options.gallery), queries, gallery, related=(positives, hidden),
        top=max(10, *options.k),
    )  # fmt: skip
    return Posed(options, queries, gallery, problem)


def _measure(space: Space, search: Posed, parts: Iterable[Ranked]) -> Searched:
    """Apply the metrics to what was ranked."""
    queries, gallery, problem = search.queries, search.gallery, search.problem
    outcomes = outcomes_of(parts, len(queries), search.options, top=problem.top)
    novel = ~also_in_gallery(gallery, queries, space.vectors[search.options.query])
    return Searched(queries, gallery, problem.positives, outcomes, novel)


def _related(
    gallery: Gallery, queries: Selection, keys: Keys, *, options: RetrievalOptions
) -> tuple[list[Ints], list[Ints]]:
    """Return each query's positives and the entries it must not see."""
    hidden = excluded(gallery, queries, options.exclusion())
    index = gallery.index(keys)
    found = [index.find(tuple(keys[row])) for row in queries.rows]
    positives = [
        np.setdiff1d(mine, gone, assume_unique=True) if len(gone) else mine
        for mine, gone in zip(found, hidden, strict=True)
    ]
    return positives, hidden


def _gallery_flags(space: Space, options: RetrievalOptions, found: Searched) -> tuple[str, ...]:
    """Say what of the gallery is another split's, was trained on, or is a copy of a query."""
    split = options.gallery_split or options.split
    flags = () if split == options.split else (f"gallery split: {split}",)
    trained = training_items(found.gallery, space.vectors[options.gallery])
    copied = int((~found.novel).sum())
    told = (
        f"gallery holds {trained} training items" if trained else "",
        f"{copied} queries have a copy in the gallery" if copied else "",
    )
    return (*flags, *(text for text in told if text))


def _predictions(found: Searched, options: RetrievalOptions) -> dict[str, list[Any]]:
    """Return one line per query, enough to compute every metric again."""
    queries, outcomes = found.queries, found.outcomes
    named = [[found.gallery.name(e) for e in line if e >= 0] for line in outcomes.best]
    scores = [[float(v) for v in line if np.isfinite(v)] for line in outcomes.scores]
    columns: dict[str, Sequence[Any]] = {
        "n_positive": [len(p) for p in found.positives],
        "novel": [bool(value) for value in found.novel],
        "top_ids": named,
        "top_scores": scores,
    }
    for name in PER_QUERY:
        columns[name] = [_whole(value) for value in outcomes.first[name]]
    for (metric, k), values in outcomes.metrics.items():
        columns[_column(metric, k)] = [float(v) if np.isfinite(v) else None for v in values]
    table = queries.table(columns)
    size = len(table["id"])
    front = {"id": table.pop("id"), "query": [options.query] * size}
    return {**front, "gallery": [options.gallery] * size, **table}


def _column(metric: str, k: int | None) -> str:
    return metric if k is None else f"{metric}@{k}"


def _whole(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


def _examples(found: Searched, options: RetrievalOptions) -> list[dict[str, Any]]:
    """Return up to 12 searches: half the clearest hits spread over groups, half the worst misses."""
    rank_of = found.outcomes.metrics.get(("first_rank", None), np.zeros(0))
    order = np.argsort(-np.nan_to_num(rank_of, nan=np.inf), kind="stable")
    misses = [int(i) for i in order if not rank_of[i] <= 1][: EXAMPLES // 2]
    hits = [int(i) for i in order[::-1] if rank_of[i] <= 1]
    step = max(1, len(hits) // (EXAMPLES - len(misses)))
    chosen = [*hits[::step][: EXAMPLES - len(misses)], *misses]
    return [_example(found, options, query) for query in chosen]


def _example(found: Searched, options: RetrievalOptions, query: int) -> dict[str, Any]:
    right = frozenset(int(entry) for entry in found.positives[query])
    pairs = zip(found.outcomes.best[query], found.outcomes.scores[query], strict=True)
    items = [
        {"id": found.gallery.name(int(e)), "score": float(s), "relevant": int(e) in right}
        for e, s in pairs
        if e >= 0
    ]
    return {
        "query": found.queries.ids[query],
        "query_modality": options.query,
        "gallery_modality": options.gallery,
        "items": items[:NEIGHBOURS],
    }
