"""The `probe` task: how well a straight line through an encoder's features tells the classes apart."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from eval.labels import Labels, Uncertain
from eval.space import Space
from eval.task import Context, Result, Task
from workbench.modality import Options

By = Literal["features", "values"]


class ProbeOptions(Options):
    """Which vectors are probed for which label, and where the probe is fitted."""

    query: str
    label: str
    labels: Labels = "single"
    uncertain: Uncertain = "exclude"
    by: tuple[By, ...] = Field(default=("features", "values"), min_length=1)
    train_split: str = "train"
    val_split: str = "val"
    split: str = "test"
    c: tuple[float, ...] = tuple(10.0**power for power in range(-4, 5))
    iterations: int = Field(default=1000, ge=1)
    min_positives: int = Field(default=10, ge=1)
    k: tuple[int, ...] = (1,)


class Probe(Task[ProbeOptions]):
    """Logistic regression on standardised training vectors; C from validation, score on test."""

    options = ProbeOptions

    def run(self, space: Space, options: ProbeOptions, context: Context) -> Result:
        """Fit one probe per kind of vector and score the split."""
        from eval.logistic import Regression
        from eval.supervised import measure

        def fit(by: By) -> Any:
            return Regression(options.c, options.iterations, context.seed)

        return measure(space, options, context, task="probe", kinds=options.by, learner=fit)
