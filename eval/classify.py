"""Rows of classification from class scores, the same for prompts, probes and neighbours.

Legend: n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.areas import area, macro_area, usable_labels
from eval.labels import Truth
from eval.rows import Sheet
from eval.weighted import macro_f1, macro_mean, mean

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_AREA_WORK = 4e10  # samples x classes x replicates beyond which macro areas get no interval


def single_label(sheet: Sheet, scores: Reals, truth: Truth, *, ks: Sequence[int]) -> None:
    """Add accuracy@k (micro, macro), macro F1, AUROC and AUPRC of (n, C) scores.

    Chance is the same formula on equal scores; the majority's share is a row of its own.
    """
    labels, index = truth.single, sheet.resampler.index
    if labels is None or len(labels) == 0:
        for average in ("micro", "macro"):
            sheet.add_value("accuracy", None, reason="no row is left", average=average, k=1)
        return
    blind = np.zeros_like(scores)
    for k in ks:
        if k > len(truth.classes):
            reason = f"{len(truth.classes)} classes, fewer than k"
            for average in ("micro", "macro"):
                sheet.add_value("accuracy", None, reason=reason, average=average, k=k)
            continue
        hits, luck = top_k(scores, labels, k), float(top_k(blind, labels, k)[0])
        sheet.add("accuracy", mean(hits, index), chance=luck, average="micro", k=k)
        sheet.add("accuracy", macro_mean(hits, labels, index), chance=luck, average="macro", k=k)
    largest = np.bincount(labels).max() / len(labels)
    why = "share of the commonest class: what always naming it would score"
    sheet.add_value("majority_share", float(largest), reason=why, average="micro")
    chance = sheet.resampler.point(macro_f1(winners(blind), labels, index))
    f1 = macro_f1(winners(scores), labels, index)
    sheet.add("f1", f1, chance=chance, average="macro")
    _areas(sheet, scores, truth, used=usable_labels(truth.table))


def multi_label(sheet: Sheet, scores: Reals, truth: Truth, *, least: int) -> None:
    """Add AUROC and AUPRC, macro over classes with `least` positives and negatives, then each."""
    used = usable_labels(truth.table, least)
    _areas(sheet, scores, truth, used=used)
    index, label = sheet.resampler.index, sheet.shared.get("label")
    for number, name in enumerate(truth.classes):
        known = truth.table[:, number][np.isfinite(truth.table[:, number])]
        positives = int(known.sum())
        for kind in ("auroc", "auprc"):
            place: dict[str, Any] = {"label": f"{label}={name}", "chance": _luck(kind, known)}
            if number not in used:
                reason = f"{positives} positives of {len(known)} rows, {least} of each kind needed"
                sheet.add_value(kind, None, reason=reason, n=len(known), **place)
            else:
                one = area(kind, scores[:, number], truth.table[:, number], index=index)
                flags = ("few-positives",) if positives < 100 else ()
                sheet.add(kind, one, n=len(known), flags=flags, **place)


def _areas(sheet: Sheet, scores: Reals, truth: Truth, *, used: Sequence[int]) -> None:
    """Add macro AUROC and AUPRC over some classes, which a flag lists."""
    named = ", ".join(truth.classes[i] for i in used) if len(used) <= 20 else f"{len(used)} classes"
    for kind in ("auroc", "auprc"):
        if not used:
            reason = "no class has enough positives and negatives"
            sheet.add_value(kind, None, reason=reason, average="macro")
            continue
        table = truth.table[:, used]
        chances = [_luck(kind, table[:, i][np.isfinite(table[:, i])]) for i in range(len(used))]
        columns = {"average": "macro", "flags": (f"classes: {named}",)}
        statistic = macro_area(kind, scores[:, used], table, index=sheet.resampler.index)
        chance = float(np.mean([value for value in chances if value is not None]))
        if table.size * sheet.resampler.replicates > MOST_AREA_WORK:
            value = sheet.resampler.point(statistic)
            reason = "no interval: too many classes and rows to resample"
            sheet.add_value(kind, value, chance=chance, reason=reason, **columns)
        else:
            sheet.add(kind, statistic, chance=chance, **columns)


def _luck(kind: str, known: Reals) -> float | None:
    """Chance of an area: one half, or the prevalence."""
    if kind == "auroc":
        return 0.5
    return float(known.mean()) if len(known) else None


def top_k(scores: Reals, labels: Ints, k: int) -> Reals:
    """Return (n,) the chance that the true class is among the k best, ties in random order."""
    own = scores[np.arange(len(labels)), labels][:, None]
    above, tied = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    return np.asarray(np.clip(k - above, 0, tied) / tied)


def winners(scores: Reals) -> Reals:
    """Return (n, C) each class's share of the prediction: 1 for the best, shared among ties."""
    best = (scores == scores.max(axis=1, keepdims=True)).astype(np.float64)
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def confusion(scores: Reals, truth: Truth) -> list[list[float]]:
    """Return (C, C) counts, rows the truth; a tie is counted in parts."""
    if truth.single is None:
        return []
    table = np.zeros((len(truth.classes), len(truth.classes)))
    np.add.at(table, truth.single, winners(scores))
    return [[float(value) for value in row] for row in table]


def worst_errors(
    scores: Reals, truth: Truth, ids: Sequence[str], *, most: int = 12
) -> list[dict[str, object]]:
    """Return the rows whose prediction beats their true class by most."""
    if truth.single is None or len(ids) == 0:
        return []
    own = scores[np.arange(len(ids)), truth.single]
    margin = scores.max(axis=1) - own
    order = [int(i) for i in np.argsort(-margin, kind="stable")[:most] if margin[i] > 0]
    best = scores.argmax(axis=1)
    return [
        {
            "id": ids[i],
            "truth": truth.classes[truth.single[i]],
            "prediction": truth.classes[best[i]],
            "score": float(margin[i]),
        }
        for i in order
    ]
