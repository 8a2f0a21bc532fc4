"""Two ways to minimise one objective: logistic loss times C plus half the squared weights.

The objective is that of scikit-learn's `LogisticRegression`; its intercept is not penalised. Legend:
n rows, W features, C classes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

CHUNK = 65_536  # rows whose loss is added up at a time
TOLERANCE = 1e-6  # largest slope of the mean objective at which a fit by torch is done


def by_scikit_learn(
    x: Reals, labels: Any, x_new: Reals, *, strength: float, steps: int
) -> tuple[Reals, bool]:
    """Return decision values of new rows, (n,) for two classes else (n, C), and if it converged."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, labels)
    values = np.asarray(model.decision_function(x_new), dtype=np.float64)
    return values, int(np.max(model.n_iter_)) < steps


def by_torch(
    x: Reals, labels: Any, x_new: Reals, *, strength: float, steps: int
) -> tuple[Reals, bool]:
    """Return the same for very many rows, whose loss is added up in chunks."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    names, place = np.unique(labels, return_inverse=True)
    two, rows = len(names) == 2, len(x)
    given = torch.from_numpy(np.ascontiguousarray(x))
    target = torch.from_numpy(np.asarray(place).reshape(-1))
    width = 1 if two else len(names)
    weight = torch.zeros((width, x.shape[1]), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(width, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, tolerance_grad=TOLERANCE, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def objective() -> Any:
        solver.zero_grad()
        total = weight.square().sum() / (2 * strength * rows)
        total.backward()  # type: ignore[no-untyped-call]
        for start in range(0, rows, CHUNK):
            inside = slice(start, start + CHUNK)
            logits = given[inside] @ weight.T + bias
            loss = (
                binary_cross_entropy_with_logits(
                    logits[:, 0], target[inside].double(), reduction="sum"
                )
                if two
                else cross_entropy(logits, target[inside], reduction="sum")
            )
            (loss / rows).backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach() / rows
        return total.detach()

    with torch.enable_grad():
        solver.step(objective)  # type: ignore[no-untyped-call]
        objective()
    slopes = [part.grad for part in (weight, bias) if part.grad is not None]
    converged = max(float(slope.abs().max()) for slope in slopes) <= TOLERANCE
    with torch.no_grad():
        values = (torch.from_numpy(np.ascontiguousarray(x_new)) @ weight.T + bias).numpy()
    return np.asarray(values[:, 0] if two else values), converged
