"""How far stated probabilities lie from what happens, as functions of group weights.

Legend: n outcomes, C classes, B bins, G groups, R replicates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights
from eval.weighted import mean

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15
STEPS = 30
SMALLEST = 1e-12  # probabilities are kept this far from 0 and 1 before their logit is taken
MOST_WORK = 4e7  # outcomes x replicates beyond which slope and intercept get no interval


def brier(stated: Reals, truth: Reals, index: Ints) -> Statistic:
    """Return the mean squared error of (n,) probabilities, or of (n, C) summed over classes.

    After Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950. NaN is left
    out.
    """
    wrong = (stated - truth) ** 2
    return mean(wrong if wrong.ndim == 1 else wrong.sum(axis=1), index)


def equal_width(stated: Reals, bins: int = BINS) -> Ints:
    """Return the bin of each probability: [a, b), the last one closed."""
    inner = np.arange(1, bins) / bins
    return np.searchsorted(inner, stated, side="right").astype(np.int64)


def equal_mass(stated: Reals, bins: int = BINS) -> Ints:
    """Return the bin of each probability, bins of about n / B outcomes; equal values stay together.

    A value goes by how many are smaller, so the order of rows changes nothing.
    """
    ranked = np.sort(stated[np.isfinite(stated)])
    smaller = np.searchsorted(ranked, stated, side="left")
    return np.minimum(smaller * bins // max(1, len(ranked)), bins - 1).astype(np.int64)


def calibration_error(stated: Reals, truth: Reals, bin_of: Ints, *, index: Ints) -> Statistic:
    """Return ECE: the mean over outcomes of the gap between stated and true share of their bin.

    After Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning", AAAI 2015. The bins are held fixed. NaN is left out.
    """
    groups, bins = int(index.max(initial=-1)) + 1, int(bin_of.max(initial=-1)) + 1
    known = np.isfinite(stated) & np.isfinite(truth)
    owner = index[known]
    cell = owner * bins + bin_of[known]
    gaps = np.bincount(cell, (stated - truth)[known], groups * bins).reshape(groups, bins)
    counts = np.bincount(owner, minlength=groups).astype(np.float64)

    def statistic(weights: Weights) -> Draws:
        total = weights @ counts
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(total > 0, np.abs(weights @ gaps).sum(axis=1) / total, np.nan)
        return value, np.ones(len(weights), dtype=bool)

    return statistic


def slope(stated: Reals, truth: Reals, index: Ints) -> Statistic:
    """Return the slope of a logistic regression of truth on logit(stated); 1 is calibrated.

    After Cox, "Two Further Applications of a Model for Binary Regression", Biometrika 1958.
    """
    return _logistic(stated, truth, index, free=True)


def intercept(stated: Reals, truth: Reals, index: Ints) -> Statistic:
    """Return the intercept of that regression with the slope held at 1; 0 is calibrated.

    This is calibration in the large, after Van Calster et al., BMC Medicine 2019.
    """
    return _logistic(stated, truth, index, free=False)


def logit(stated: Reals) -> Reals:
    """Return log odds, finite at 0 and 1."""
    inside = np.clip(stated, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def reliability(stated: Reals, truth: Reals, bin_of: Ints) -> list[dict[str, Any]]:
    """Return one entry per bin that holds outcomes, lowest first."""
    found = []
    for number in np.unique(bin_of):
        inside = bin_of == number
        found.append({
            "low": float(stated[inside].min()), "high": float(stated[inside].max()),
            "confidence": float(stated[inside].mean()), "accuracy": float(truth[inside].mean()),
            "n": int(inside.sum()),
        })  # fmt: skip
    return found


def fit_line(x: Reals, truth: Reals, weights: Reals, *, free: bool) -> tuple[Reals, Reals]:
    """Fit P(truth) = expit(intercept + slope·x) by Newton's method, once per row of weights.

    Args:
        x: (n,) log odds.
        truth: (n,) 1 or 0.
        weights: (R, n).
        free: fit the slope too, instead of holding it at 1.

    Returns:
        (R,) intercepts and (R,) slopes, NaN where there is no finite maximum.
    """
    count = len(weights)
    first, second = np.zeros(count), np.ones(count)
    step = np.full(count, np.inf)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(first[:, None] + second[:, None] * x, -500, 500)))
        pull, bend = weights * (truth - chance), weights * chance * (1 - chance)
        g0, h00 = pull.sum(axis=1), bend.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            if free:
                g1, h01, h11 = pull @ x, bend @ x, bend @ (x * x)
                size = h00 * h11 - h01 * h01
                move, turn = (h11 * g0 - h01 * g1) / size, (h00 * g1 - h01 * g0) / size
            else:
                move, turn = g0 / h00, np.zeros(count)
            step = np.maximum(np.abs(move), np.abs(turn))
            shrink = np.minimum(1.0, 4.0 / step)
        first, second = first + shrink * move, second + shrink * turn
        if np.all((step < 1e-10) | ~np.isfinite(step)):
            break
    bad = ~(step < 1e-6)
    first[bad], second[bad] = np.nan, np.nan
    return first, second


def _logistic(stated: Reals, truth: Reals, index: Ints, *, free: bool) -> Statistic:
    known = np.isfinite(stated) & np.isfinite(truth)
    x, y, owner = logit(stated[known]), truth[known], index[known]

    def statistic(weights: Weights) -> Draws:
        fitted = fit_line(x, y, weights[:, owner].astype(np.float64), free=free)
        return fitted[1 if free else 0], np.ones(len(weights), dtype=bool)

    return statistic
