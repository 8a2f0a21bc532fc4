"""How numbers, metrics and models are written wherever a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NOT_DEFINED = "not defined"
LOWER_IS_BETTER = frozenset(
    {"median_rank", "mean_rank", "median_rank_share", "mean_rank_share", "mae", "brier", "ece",
     "ece_mass", "aurc", "fpr95", "uniformity", "alignment", "modality_gap", "hubness",
     "anisotropy"}
)  # fmt: skip
_NAMES = {
    "auroc": "AUROC", "auprc": "AUPRC", "f1": "F1", "mrr": "MRR", "map": "mAP", "ndcg": "nDCG",
    "ami": "AMI", "ari": "ARI", "nmi": "NMI", "r2": "R²", "mae": "MAE", "ece": "ECE",
    "aurc": "AURC", "ppv": "PPV", "npv": "NPV", "fpr95": "FPR at 95 % TPR", "brier": "Brier score",
    "ece_mass": "ECE (equal mass)",
}  # fmt: skip
# tasks whose k counts something else than the first k of a ranking
_COUNTED = {"few_shot": "shots", "knn": "neighbours"}
_TASKS = {
    "zero_shot": "Zero-shot", "knn": "Nearest neighbours", "probe": "Linear probe",
    "few_shot": "Few-shot", "cluster": "Clustering", "open_set": "Open set",
    "mismatch": "Mismatched pairs", "threshold": "Thresholds", "diagnostics": "Geometry of the space",
}  # fmt: skip


def finite(value: Any) -> float | None:
    """Return a number as float, or None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: Any) -> str:
    """Write a number with the digits that matter: three places below 10, then fewer.

    >>> number(0.12345), number(42.25), number(1234), number(None)
    ('0.123', '42.2', '1,234', '')
    """
    given = finite(value)
    if given is None:
        return "" if value is None else str(value)
    if isinstance(value, int) or abs(given) >= 1000:
        return f"{given:,.0f}"
    return f"{given:.1f}" if abs(given) >= 10 else f"{given:.3f}"


def count(value: Any) -> str:
    """Write a count with thousands marked; a fraction (shared ties) keeps two places."""
    given = finite(value)
    if given is None:
        return "" if value is None else str(value)
    return f"{given:,.0f}" if given == round(given) else f"{given:,.2f}"


def probability(value: Any) -> str:
    """Write a p-value."""
    given = finite(value)
    if given is None:
        return ""
    return "< 0.001" if given < 0.001 else f"{given:.3f}"


def metric_name(row: Mapping[str, Any]) -> str:
    """Write a metric with its k and its kind of average.

    >>> metric_name({"metric": "accuracy", "k": 1, "average": "macro"})
    'accuracy@1 (macro)'
    """
    word = str(row.get("metric", ""))
    base, _, at = word.partition("@")
    k = at or ("" if row.get("k") is None else str(row["k"]))
    counted = _COUNTED.get(str(row.get("task")), "") if k else ""
    word, _, place = base.partition("_at_")
    name = _NAMES.get(base) or _NAMES.get(word, word.replace("_", " "))
    name += f" at {place.replace('_', ' ')}" if place and base not in _NAMES else ""
    name += f"@{k}" if k and not counted else ""
    average = row.get("average")
    name = f"{name} ({average})" if average else name
    name = f"{name}, {k} {counted}" if counted else name
    return f"{name}, {row['beside']}" if row.get("beside") else name


def model_name(row: Mapping[str, Any]) -> str:
    """Write a model; controls lose their prefix and keep their seed."""
    word = str(row.get("model", ""))
    name = word.removeprefix("control:").replace("_", " ")
    seed = row.get("seed")
    return f"{name}, seed {seed}" if is_control(row) and seed is not None else name


def is_control(row: Mapping[str, Any]) -> bool:
    """Say whether a metric row is a control's."""
    return str(row.get("model", "")).startswith("control:")


def task_name(row: Mapping[str, Any]) -> str:
    """Write a task."""
    word = str(row.get("task", ""))
    return _TASKS.get(word, word.replace("_", " ").capitalize())


def interval(row: Mapping[str, Any]) -> str:
    """Write a 95 % interval, or nothing where there is none."""
    low, high = finite(row.get("ci_low")), finite(row.get("ci_high"))
    return "" if low is None or high is None else f"{number(low)} – {number(high)}"


def listing(words: list[str]) -> str:
    """Join words as a sentence does: "a, b and c"."""
    return (
        words[0]
        if len(words) == 1
        else ", ".join(words[:-1]) + " and " + words[-1]
        if words
        else ""
    )
