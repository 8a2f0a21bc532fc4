"""The `calibration` task: whether stated probabilities come true, before and after recalibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from eval.asked import Answers, AskingOptions, answers, refuse_fitting_on
from eval.calibration_maps import Recalibration
from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task
from workbench.errors import Refusal

if TYPE_CHECKING:
    from eval.calibration_rows import Stated

DECLARED = "as declared"


class CalibrationOptions(AskingOptions):
    """Whose probabilities are examined, and how they are mended."""

    may_ask: ClassVar[tuple[str, ...]] = ("zero_shot", "probe")

    temperature: float | None = Field(default=None, gt=0)
    recalibrate: tuple[Recalibration, ...] = ("temperature", "platt")
    val_split: str = "val"

    @model_validator(mode="after")
    def _stated(self) -> CalibrationOptions:
        if self.of["task"] == "zero_shot" and self.temperature is None:
            raise ValueError(
                "zero-shot scores become probabilities only over a temperature: state it, such as "
                "temperature: 0.07"
            )
        return self


class Calibration(Task[CalibrationOptions]):
    """Brier score, calibration errors, slope and intercept; recalibration fits validation alone."""

    options = CalibrationOptions

    def texts(
        self, options: CalibrationOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return the prompts of the task whose probabilities are examined."""
        return options.texts(rows, context)

    def run(self, space: Space, options: CalibrationOptions, context: Context) -> Result:
        """Examine the probabilities of every kind of vector, as declared and recalibrated.

        Raises:
            Refusal: the scores declare no probability, or recalibration would fit what it measures.
        """
        from eval.calibration_rows import add_rows, stated, table_of
        from eval.rows import config_digest, resampler, sheet

        refuse_fitting_on(options.split, options.val_split, "calibration.val_split")
        _refuse_bare_scores(options, context)
        test = _logits(answers(space, options.asked, context, options.split), options)
        val = _logits(answers(space, options.asked, context, options.val_split), options)
        rows: list[Metric] = []
        extras: dict[str, Any] = {"reliability": [], "recalibration": {}}
        columns: dict[str, Any] = {}
        for number, one in enumerate(test):
            shared = {
                "task": "calibration", "query": options.query, "gallery": options.anchor,
                "label": options.label, "split": options.split, "model": space.model,
                "score": space.score, "n_excluded": one.excluded,
                "config_digest": config_digest(options, context),
            }  # fmt: skip
            found: list[Stated] = stated(one, val[number], options)
            for way in found:
                pool = f"{one.kind} {way.name}".strip()
                page = sheet(resampler(one.groups, context), **shared, pool=pool)
                add_rows(page, way)
                rows += page.rows
                if way.reason is None:
                    columns[f"probability {pool}"] = way.probabilities.tolist()
                    extras["recalibration"][pool] = way.fitted
            if number == 0 and len(one.ids):
                extras["reliability"] = table_of(found[0])
        if not test:
            rows.append(_nothing(space, options))
            return Result(rows)
        front = {"id": list(test[0].ids), "group": list(test[0].groups)}
        return Result(rows, {**front, "label": test[0].truth.words(), **columns}, extras)


def _nothing(space: Space, options: CalibrationOptions) -> Metric:
    return Metric(
        task="calibration", query=str(options.query), metric="brier", split=options.split,
        model=space.model, value=None, label=options.label, reason="no row was scored",
    )  # fmt: skip


def _refuse_bare_scores(options: CalibrationOptions, context: Context) -> None:
    """Refuse cosines to single prompts of label sets: nothing says what probability they state."""
    inner: Any = options.asked.options
    if options.of["task"] != "zero_shot" or inner.labels == "single":
        return
    from eval.prompts import load_prompts

    prompts = load_prompts(inner.prompts or {}, context.base)
    if not all(prompts.negative_prompts().values()):
        raise Refusal(
            "E-CFG-025", file="pipeline", field="evaluate: calibration",
            found="label sets scored by prompts without their negation",
            expected="negated prompts for every class, so that a score is a margin",
        )  # fmt: skip


def _logits(given: list[Answers], options: CalibrationOptions) -> list[Answers]:
    """Return scores as logits: divided by the temperature, and by 2 for a probe of two classes.

    A probe of two classes gives each its own decision value, one the negative of the other.
    """
    from dataclasses import replace

    found = []
    for one in given:
        divisor = options.temperature or 1.0
        if options.of["task"] == "probe" and one.truth.single is not None:
            divisor *= 2 if len(one.truth.classes) == 2 else 1
        found.append(replace(one, scores=one.scores / divisor))
    return found
