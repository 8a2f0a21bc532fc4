"""Novelty scores of chosen rows, and the metric rows they give.

Legend: n rows, C known classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.areas import area
from eval.class_anchors import Bound, ClassAnchors
from eval.classify import winners
from eval.intervals import Statistic
from eval.labels import SEVERAL, parts
from eval.nearest import Near, key_space, nearest
from eval.novelty import accuracy_at, false_alarms, risk_area
from eval.open_set import OpenSetOptions
from eval.rows import Sheet, config_digest, resampler, sheet
from eval.selection import NO_LABEL, Selection, select
from eval.space import Space
from eval.task import Context
from eval.threshold_rules import cut
from eval.weighted import macro_mean, mean
from workbench.errors import Refusal

Reals = NDArray[np.float64]

FEWEST = 10  # novel rows, and known ones, that validation must have
STEPS = 20


@dataclass(frozen=True)
class Asked:
    """Rows of some splits with their novelty.

    Attributes:
        parts: the selection of each split.
        ids: n row ids.
        groups: n groups.
        labels: n labels.
        novel: (n,) 1 where the label has no anchors.
        novelty: (n,) scores, higher is more novel.
        predictions: n nearest known classes.
        right: (n,) share of the prediction that is the label; 0 for novel rows.
        classes: C.
    """

    parts: tuple[Selection, ...]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    labels: list[str]
    novel: Reals
    novelty: Reals
    predictions: list[str | None]
    right: Reals
    classes: int


def asked(anchors: ClassAnchors, options: OpenSetOptions, splits: Sequence[str]) -> Asked:
    """Score the rows of some splits that have one label."""
    cells, space = anchors.cells(), anchors.space

    def why_not(row: int) -> str | None:
        found = parts(cells[row])
        return NO_LABEL if not found else SEVERAL if len(found) > 1 else None

    chosen = tuple(select(space, options.query, split, why_not=why_not) for split in splits)
    labels = [str(cells[row]).strip() for part in chosen for row in part.rows]
    number = {name: i for i, name in enumerate(anchors.classes)}
    truth = np.array([number.get(label, -1) for label in labels], dtype=np.int64)
    bound = [anchors.of(part) for part in chosen]
    count = len(anchors.classes)
    scores = np.concatenate([np.zeros((0, count)), *(one.scores() for one in bound)])
    right, novelty = np.zeros(len(labels)), np.ones(len(labels))
    best: list[str | None] = [None] * len(labels)
    if count and len(labels):
        right = np.where(truth >= 0, winners(scores)[np.arange(len(labels)), truth], 0.0)
        novelty = np.concatenate([_novelty(one, options) for one in bound])
        best = [anchors.classes[i] for i in scores.argmax(axis=1)]
    return Asked(
        chosen, tuple(i for part in chosen for i in part.ids),
        tuple(g for part in chosen for g in part.groups), labels, (truth < 0).astype(np.float64),
        novelty, best, right, count,
    )  # fmt: skip


def sheet_of(
    space: Space, options: OpenSetOptions, context: Context, *, anchors: ClassAnchors, test: Asked
) -> Sheet:
    """Return the empty sheet of the rows that are asked."""
    excluded: dict[str, int] = {}
    for part in test.parts:
        for reason, count in part.excluded.items():
            excluded[reason] = excluded.get(reason, 0) + count
    flags = anchors.of(test.parts[0]).flags
    return sheet(
        resampler(test.groups, context), task="open_set", query=options.query,
        gallery=options.anchor, label=options.label, split=options.split, model=space.model,
        score=space.score, prompts=anchors.label, gallery_size=test.classes, n_excluded=excluded,
        config_digest=config_digest(options, context), flags=(*flags, f"novelty: {options.novelty}"),
    )  # fmt: skip


def threshold(test: Asked, val: Asked, options: OpenSetOptions) -> tuple[float | None, str | None]:
    """Return the novelty from which a row is rejected, or None and the reason.

    Raises:
        Refusal: a novel class of validation is also novel in test.
    """
    unknown = [
        {label for label, novel in zip(one.labels, one.novel, strict=True) if novel}
        for one in (test, val)
    ]
    if shared := sorted(unknown[0] & unknown[1]):
        raise Refusal(
            "E-CFG-024", file="manifest", field=f"evaluate: open_set.val_splits, {options.label}",
            found=f"{len(shared)} novel classes in validation and test, such as {shared[0]!r}",
            expected="novel classes of validation that test does not show",
        )  # fmt: skip
    few = min(int(val.novel.sum()), int((1 - val.novel).sum()))
    if few < FEWEST:
        return None, f"validation holds {few} novel or known rows, {FEWEST} of each needed"
    return cut(val.novelty, val.novel, options.rule), None


def add_areas(page: Sheet, test: Asked) -> None:
    """Add AUROC, AUPRC and FPR at 95 % TPR of novel against known."""
    index, share = page.resampler.index, float(test.novel.mean())
    luck = {"auroc": 0.5, "auprc": share}
    for kind in ("auroc", "auprc"):
        statistic = area(kind, test.novelty, test.novel, index=index)
        page.add(kind, statistic, chance=luck[kind])
    page.add("fpr_at_95_tpr", false_alarms(test.novelty, test.novel, index), chance=0.95)


def add_risk(page: Sheet, test: Asked, options: OpenSetOptions) -> None:
    """Add AURC and the accuracy at some coverages, over all rows and over known rows alone.

    Over all rows a novel one is always an error, until it is rejected.
    """
    index, known = page.resampler.index, test.novel == 0
    blind = np.where(known, 1 / max(1, test.classes), 0.0)
    hits = np.where(known, test.right, np.nan)
    codes = np.unique(np.array(test.labels), return_inverse=True)[1].reshape(-1)
    luck = 1 / max(1, test.classes)
    averages = {"micro": mean(hits, index), "macro": macro_mean(hits, codes, index)}
    for average, value in averages.items():
        page.add("accuracy", value, chance=luck, average=average, k=1, **_counted(index, known))
    for pool, mask in (("open", np.ones(len(known), dtype=bool)), ("known", known)):
        columns = {**_counted(index, mask), "pool": pool}
        formulas: dict[str, Any] = {"aurc": risk_area} | {
            f"accuracy_at_{share:g}_coverage": partial(accuracy_at, coverage=share)
            for share in options.coverages
        }
        for metric, formula in formulas.items():
            make = partial(_among, mask=mask, index=index, formula=formula)
            chance = page.resampler.point(make(np.zeros(len(mask)), 1 - blind))
            page.add(metric, make(-test.novelty, 1 - test.right), chance=chance, **columns)


def add_threshold(
    page: Sheet, test: Asked, at: float | None, *, reason: str | None, options: OpenSetOptions
) -> None:
    """Add what rejecting from the validation threshold on does."""
    index = page.resampler.index
    metrics = ("novel_rejected", "known_accepted", "open_set_accuracy")
    if at is None:
        for metric in metrics:
            page.add_value(metric, None, reason=reason, average="micro")
        return
    rejected = (test.novelty >= at).astype(np.float64)
    novel = test.novel == 1
    values = (
        np.where(novel, rejected, np.nan), np.where(novel, np.nan, 1 - rejected),
        np.where(novel, rejected, (1 - rejected) * test.right),
    )  # fmt: skip
    flags = (f"threshold {at:.6g} ({options.rule} on {'+'.join(options.val_splits)})",)
    for metric, value in zip(metrics, values, strict=True):
        known = int(np.isfinite(value).sum())
        page.add(metric, mean(value, index), average="micro", flags=flags, n=known)


def _counted(index: Any, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how many rows and groups a number over known rows rests on."""
    return {"pool": "known", "n": int(mask.sum()), "n_groups": len(np.unique(index[mask]))}


def curve(test: Asked) -> list[dict[str, float]]:
    """Return accuracy over all rows at rising coverage, novel rows being errors."""
    index = np.arange(len(test.ids))
    found = []
    for step in range(1, STEPS + 1 if len(index) else 1):
        share = step / STEPS
        statistic = accuracy_at(-test.novelty, 1 - test.right, index, coverage=share)
        value = float(statistic(np.ones((1, len(index))))[0][0])
        found.append({"coverage": share, "accuracy": value})
    return found


def _among(
    confidence: Reals, errors: Reals, *, mask: NDArray[np.bool_], index: Any, formula: Any
) -> Statistic:
    """Return a statistic of some of the rows, in the groups of all."""
    inner: Statistic = formula(confidence[mask], errors[mask], index[mask])
    groups = int(index[mask].max(initial=-1)) + 1
    return lambda weights: inner(weights[:, :groups])


def _novelty(bound: Bound, options: OpenSetOptions) -> Reals:
    """Return (n,) novelty of the rows of one split."""
    examples = bound.anchors.examples
    if options.novelty == "knn" and examples is not None:
        return _far(bound, options)
    scores = bound.scores()
    if options.novelty == "cosine":
        return np.asarray(1 - scores.max(axis=1))
    peak = scores.max(axis=1, keepdims=True)
    powers = np.exp((scores - peak) / options.tau).sum(axis=1)
    return np.asarray(-(peak[:, 0] + options.tau * np.log(powers)))


def _far(bound: Bound, options: OpenSetOptions) -> Reals:
    """Return (n,) 1 - the cosine of the k-th nearest example."""
    examples = bound.anchors.examples
    if examples is None:
        return np.ones(len(bound.chosen))
    k = min(options.neighbours, len(examples.ids))
    found = np.ones(len(bound.chosen))

    def settled(near: Near) -> NDArray[np.bool_]:
        return np.cumsum(near.sizes, axis=1)[:, -1] >= k

    vectors = bound.anchors.space.vectors[options.query].values[bound.chosen.items]
    for near in nearest(vectors, key_space(examples.vectors), settled, least=k):
        place = (np.cumsum(near.sizes, axis=1) >= k).argmax(axis=1)
        found[near.numbers] = 1 - near.scores[np.arange(len(place)), place]
    return found
