"""The `few_shot` task: how well a few labelled examples per class tell the classes apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from eval.class_anchors import AnchorOptions, prompt_texts
from eval.space import Rows, Space
from eval.task import Context, Result, Task
from workbench.modality import Options

By = Literal["features", "values"]
Head = Literal["mean", "probe", "zero_shot"]


class FewShotOptions(Options):
    """Which vectors learn which label, from how many examples, by which heads.

    Attributes:
        query: modality.
        label: column with one class per row.
        by: shared-space "values", encoder "features", or both.
        heads: "mean" is the nearest class mean (SimpleShot), "probe" a logistic regression,
            "zero_shot" the mean of prompt vector and class mean, in shared space alone.
        shots: examples per class, each of another group.
        draws: seeded draws of the examples.
        prompts: prompt set of "zero_shot".
        anchor: modality that reads it.
        train_split: where examples come from, by whole groups.
        val_split: where C and the weight of the prompts are chosen.
        split: rows that are named.
        c: strengths of the probe to choose from.
        iterations: most steps of the probe.
    """

    query: str
    label: str
    by: tuple[By, ...] = Field(default=("values",), min_length=1)
    heads: tuple[Head, ...] = Field(default=("mean", "probe"), min_length=1)
    shots: tuple[int, ...] = Field(default=(1, 2, 4, 8, 16), min_length=1)
    draws: int = Field(default=20, ge=1)
    prompts: str | dict[str, Any] | None = None
    anchor: str | None = None
    train_split: str = "train"
    val_split: str = "val"
    split: str = "test"
    c: tuple[float, ...] = Field(default=(0.01, 0.1, 1.0, 10.0), min_length=1)
    iterations: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> FewShotOptions:
        if any(shots < 1 for shots in self.shots):
            raise ValueError("shots count from 1")
        if self.split in (self.train_split, self.val_split) or self.train_split == self.val_split:
            raise ValueError("train_split, val_split and split must differ")
        if "zero_shot" in self.heads and (self.prompts is None or self.anchor is None):
            raise ValueError(
                "head zero_shot needs prompts and anchor, the modality that reads them"
            )
        return self

    def asked(self) -> AnchorOptions | None:
        """Return the zero-shot question beside the curve, if there are prompts."""
        if self.prompts is None or self.anchor is None:
            return None
        return AnchorOptions(
            query=self.query, label=self.label, prompts=self.prompts, anchor=self.anchor
        )


class FewShot(Task[FewShotOptions]):
    """Accuracy over the number of examples per class, beside zero-shot and all training rows.

    Draws take whole groups of the training split, so no patient is both example and query.
    """

    options = FewShotOptions

    def texts(
        self, options: FewShotOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return every prompt of every class, where there are any."""
        question = options.asked()
        return {} if question is None else prompt_texts(question, rows, context)

    def run(self, space: Space, options: FewShotOptions, context: Context) -> Result:
        """Learn from every draw and name the split."""
        from eval.few_shot_rows import curve

        return curve(space, options, context)
