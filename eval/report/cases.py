"""Picks the single samples that a failure analysis shows out of the predictions of a task.

Legend: n samples of a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Columns = Mapping[str, Sequence[Any]]
Case = dict[str, Any]

MOST = 12
PER_CLASS = 2
MOST_DRAWN = 2000
NEAR = 5  # a first right item at rank 2 to this one was nearly found


def cases_of_classes(
    batches: Iterable[Columns], classes: Sequence[str], *, kind: str = ""
) -> dict[str, list[Case]]:
    """Return the errors that were surest, those that were nearly right, and the worst per class.

    Args:
        batches: columns "id", "label", "scores" and "prediction" of a single-label task; the last
            two may end in "_" and the kind of vector.
        classes: names in the order of the scores.
        kind: which scores to read.

    Returns:
        "confident": largest lead of the predicted class over the second; "near_misses": the truth
        was second, smallest lead first; "by_class": largest lead over the truth, two per class.
    """
    found: dict[str, list[Case]] = {"confident": [], "near_misses": [], "by_class": []}
    ends = f"_{kind}" if kind else ""
    place = {name: i for i, name in enumerate(classes)}
    for batch in batches:
        if not {f"scores{ends}", f"prediction{ends}", "label"} <= set(batch):
            return {}
        wrong = list(_wrong(batch, place, ends=ends))
        found["confident"] = _best([*found["confident"], *wrong], "lead", MOST, largest=True)
        near = [case for case in wrong if case["truth_rank"] == 2]
        found["near_misses"] = _best([*found["near_misses"], *near], "behind", MOST, largest=False)
        found["by_class"] = _per_class([*found["by_class"], *wrong])
    return {name: cases for name, cases in found.items() if cases}


def cases_of_searches(batches: Iterable[Columns]) -> dict[str, list[Case]]:
    """Return the queries whose first right item was nearly first, and those that lost it furthest.

    Args:
        batches: columns "id", "query", "gallery", "first_rank" and "gallery_size" of a retrieval.
    """
    near: list[Case] = []
    lost: list[Case] = []
    for batch in batches:
        if not {"id", "first_rank"} <= set(batch):
            return {}
        size = len(batch["id"])
        names = [batch.get(name, [""] * size) for name in ("query", "gallery", "gallery_size")]
        every = [
            {"id": row_id, "search": f"{query} → {gallery}", "rank": rank, "of": of}
            for row_id, rank, query, gallery, of in zip(
                batch["id"], batch["first_rank"], *names, strict=True
            )
            if rank is not None and rank > 1
        ]
        near = _best([*near, *(c for c in every if c["rank"] <= NEAR)], "rank", MOST, largest=False)
        lost = _best([*lost, *(c for c in every if c["rank"] > NEAR)], "rank", MOST, largest=True)
    found = {"near_found": near, "lost": lost}
    return {name: cases for name, cases in found.items() if cases}


def cases_of_numbers(batches: Iterable[Columns], *, kind: str = "") -> dict[str, list[Case]]:
    """Return the samples whose number was missed by most, and enough of all to draw.

    Args:
        batches: columns "id", "label" (the true number) and "prediction", perhaps with a kind.
        kind: which prediction to read.

    Returns:
        "far": largest distance first; "predicted": the first samples in order of their id.
    """
    found: dict[str, list[Case]] = {"far": [], "predicted": []}
    name = f"prediction_{kind}" if kind else "prediction"
    for batch in batches:
        if not {name, "label"} <= set(batch):
            return {}
        mine = [
            {"id": row_id, "truth": truth, "prediction": called, "distance": abs(truth - called)}
            for row_id, truth, called in zip(batch["id"], batch["label"], batch[name], strict=True)
            if isinstance(truth, float) and isinstance(called, float)
        ]
        found["far"] = _best([*found["far"], *mine], "distance", MOST, largest=True)
        found["predicted"] = [*found["predicted"], *mine][:MOST_DRAWN]
    return {key: cases for key, cases in found.items() if cases}


def _wrong(batch: Columns, place: Mapping[str, int], *, ends: str) -> Iterable[Case]:
    """Yield the samples of a batch whose one label is not the prediction."""
    kept = [
        i
        for i, (truth, called, scores) in enumerate(
            zip(batch["label"], batch[f"prediction{ends}"], batch[f"scores{ends}"], strict=True)
        )
        if truth in place
        and called in place
        and truth != called
        and len(scores or ()) == len(place)
    ]
    if not kept:
        return
    table = np.array([batch[f"scores{ends}"][i] for i in kept], dtype=np.float64)  # (n, C)
    truth = np.array([place[batch["label"][i]] for i in kept])
    own = table[np.arange(len(kept)), truth]
    ordered = np.sort(table, axis=1)[:, ::-1]
    rank = 1 + (table > own[:, None]).sum(axis=1)
    for j, i in enumerate(kept):
        yield {
            "id": batch["id"][i], "truth": batch["label"][i],
            "prediction": batch[f"prediction{ends}"][i], "truth_rank": int(rank[j]),
            "lead": float(ordered[j, 0] - ordered[j, 1]),
            "behind": float(ordered[j, 0] - own[j]),
        }  # fmt: skip


def _best(cases: list[Case], key: str, most: int, *, largest: bool) -> list[Case]:
    """Return the first cases by a number; ties go by id, so that batches change nothing."""
    sign = -1 if largest else 1
    return sorted(cases, key=lambda case: (sign * case[key], str(case["id"])))[:most]


def _per_class(cases: list[Case]) -> list[Case]:
    by_truth: dict[str, list[Case]] = {}
    for case in cases:
        by_truth.setdefault(case["truth"], []).append(case)
    return [
        case
        for _, mine in sorted(by_truth.items())
        for case in _best(mine, "behind", PER_CLASS, largest=True)
    ]
