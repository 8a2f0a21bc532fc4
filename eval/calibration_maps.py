"""Probabilities of class scores, as declared or recalibrated on validation.

Legend: n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answers
from eval.calibration_errors import fit_line
from eval.labels import Truth

Reals = NDArray[np.float64]

COLDEST, HOTTEST = 1e-4, 1e4
FEWEST = 10  # of each kind on validation, below which nothing is fitted


@dataclass(frozen=True)
class Stated:
    """Probabilities of n rows, stated in one way.

    Attributes:
        name: "as declared", "temperature" or "platt".
        probabilities: (n, C); a column of NaN where a label could not be recalibrated.
        truth: the classes.
        fitted: what was fitted on validation.
        reason: why there are no probabilities.
    """

    name: str
    probabilities: Reals
    truth: Truth
    fitted: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


def stated(test: Answers, val: Answers | None, recalibrate: Sequence[str]) -> list[Stated]:
    """Return the probabilities as declared, then each recalibration, fitted on validation alone.

    Args:
        test: the logits that are measured.
        val: the logits of validation; None where there are none.
        recalibrate: "temperature", "platt" or both.
    """
    found = [Stated("as declared", probabilities(test.scores, test.truth), test.truth)]
    for way in recalibrate:
        if val is None or val.truth.classes != test.truth.classes:
            found.append(_none(way, test, "nothing was scored on validation"))
        else:
            found.append((_cooled if way == "temperature" else _platted)(test, val))
    return found


def probabilities(logits: Reals, truth: Truth) -> Reals:
    """Return (n, C): softmax over the classes of a single label, a sigmoid for every other."""
    if truth.single is None:
        return sigmoid(logits)
    if len(logits) == 0:
        return logits
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def sigmoid(logits: Reals) -> Reals:
    """Return 1 / (1 + exp(-logits)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))


def temperature(val: Answers) -> float:
    """Return the T whose probabilities of scores / T make validation labels likeliest.

    After Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. One T for all classes.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        return _surprise(val.scores / np.exp(log_t), val.truth)

    ends = (np.log(COLDEST), np.log(HOTTEST))
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def platt(scores: Reals, truth: Reals) -> tuple[float, float] | None:
    """Return (slope, intercept) of a logistic regression of truth on (n,) scores, or None.

    After Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with the labels as they
    are. None where the classes are separable: there is no finite line.
    """
    spread = float(scores.std())
    if spread == 0:
        return None
    first, second = fit_line(scores / spread, truth, np.ones((1, len(truth))), free=True)
    if not np.isfinite(first[0]):
        return None
    return float(second[0]) / spread, float(first[0])


def _surprise(logits: Reals, truth: Truth) -> float:
    """Return the mean negative log likelihood of the labels that are known."""
    if truth.single is not None:
        peak = logits.max(axis=1, keepdims=True)
        whole = peak[:, 0] + np.log(np.exp(logits - peak).sum(axis=1))
        return float(np.mean(whole - logits[np.arange(len(logits)), truth.single]))
    known = np.isfinite(truth.table) & np.isfinite(logits)
    signs = 2 * truth.table[known] - 1
    return float(np.mean(np.logaddexp(0, -signs * logits[known])))


def _cooled(test: Answers, val: Answers) -> Stated:
    known = np.isfinite(val.truth.table)
    seen = len(val.ids) if val.truth.single is not None else int(val.truth.table[known].sum())
    if seen < FEWEST:
        return _none("temperature", test, f"{seen} labels on validation, {FEWEST} needed")
    t = temperature(val)
    made = probabilities(test.scores / t, test.truth)
    end = "" if COLDEST * 1.01 < t < HOTTEST / 1.01 else "at the end of its range"
    return Stated("temperature", made, test.truth, {"T": t, **({"warning": end} if end else {})})


def _platted(test: Answers, val: Answers) -> Stated:
    classes = test.truth.classes
    if test.truth.single is not None:
        if len(classes) != 2:
            return _none("platt", test, f"defined for two classes, there are {len(classes)}")
        line = _line(val.scores[:, 1] - val.scores[:, 0], val.truth.table[:, 1])
        if line is None:
            return _none("platt", test, "validation is too small, or the classes separable")
        second = sigmoid(line[0] * (test.scores[:, 1] - test.scores[:, 0]) + line[1])
        both = np.stack([1 - second, second], axis=1)
        return Stated("platt", both, test.truth, {classes[1]: list(line)})
    table, fitted = np.full_like(test.scores, np.nan), {}
    for number, label in enumerate(classes):
        known = np.isfinite(val.truth.table[:, number]) & np.isfinite(val.scores[:, number])
        line = _line(val.scores[known, number], val.truth.table[known, number])
        if line is not None:
            table[:, number] = sigmoid(line[0] * test.scores[:, number] + line[1])
            fitted[label] = list(line)
    return Stated("platt", table, test.truth, fitted)


def _line(scores: Reals, truth: Reals) -> tuple[float, float] | None:
    positives = int(truth.sum())
    enough = min(positives, len(truth) - positives) >= FEWEST
    return platt(scores, truth) if enough else None


def _none(name: str, test: Answers, reason: str) -> Stated:
    return Stated(name, np.full_like(test.scores, np.nan), test.truth, reason=reason)
