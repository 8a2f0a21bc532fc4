"""Probabilities of class scores, as declared or recalibrated on validation.

Legend: n rows, C classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.asked import Answers
from eval.calibration_errors import fit_line
from eval.labels import Truth

Reals = NDArray[np.float64]
Recalibration = Literal["temperature", "platt"]

COLDEST, HOTTEST = 1e-4, 1e4


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
