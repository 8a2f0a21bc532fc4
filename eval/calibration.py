"""The `calibration` task: whether stated probabilities come true, before and after recalibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from eval.asked import AskingOptions, answers, nothing, refuse_fitting_on
from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task
from workbench.errors import Refusal

if TYPE_CHECKING:
    from eval.answers import Answers
    from eval.rows import Sheet

Recalibration = Literal["temperature", "platt"]


class CalibrationOptions(AskingOptions):
    """Whose probabilities are examined, and how they are mended."""

    may_ask: ClassVar[tuple[str, ...]] = ("zero_shot", "probe")

    temperature: float | None = Field(default=None, gt=0)
    recalibrate: tuple[Recalibration, ...] = ("temperature", "platt")
    val_split: str = "val"

    @model_validator(mode="after")
    def _stated(self) -> CalibrationOptions:
        if self.of["task"] == "zero_shot" and self.divisor is None:
            raise ValueError(
                "zero-shot scores become probabilities only over a temperature: state it, such as "
                "temperature: 0.07"
            )
        return self

    @property
    def divisor(self) -> float | None:
        """The temperature that makes scores logits: its own, or that of the task it asks."""
        return self.temperature or getattr(self.asked.options, "temperature", None)

    @property
    def least(self) -> int:
        """Fewest positives and negatives of a label that is measured."""
        return int(getattr(self.asked.options, "min_positives", 1))


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
        from eval.calibration_maps import stated
        from eval.calibration_rows import add_rows, table_of

        refuse_fitting_on(options.split, options.val_split, "calibration.val_split")
        _refuse_bare_scores(options, context)
        test = _logits(answers(space, options.asked, context, options.split), options)
        val = _logits(answers(space, options.asked, context, options.val_split), options)
        rows: list[Metric] = []
        extras: dict[str, Any] = {"reliability": [], "recalibration": {}}
        columns: dict[str, Any] = {}
        for kind, one in test.items():
            found = stated(one, val.get(kind), options.recalibrate)
            for way in found:
                pool = f"{kind} {way.name}".strip()
                page = _page(space, options, context, one=one, pool=pool)
                add_rows(page, way, least=options.least)
                rows += page.rows
                if way.reason is None:
                    columns[f"probability {pool}"] = way.probabilities.tolist()
                    extras["recalibration"][pool] = way.fitted
            if not extras["reliability"] and len(one.ids):
                extras["reliability"] = table_of(found[0])
        if not test:
            return Result([nothing(space, options, task="calibration", metric="brier")])
        first = next(iter(test.values()))
        front = {"id": list(first.ids), "group": list(first.groups), "label": first.truth.words()}
        return Result(rows, {**front, **columns}, extras)


def _page(
    space: Space, options: CalibrationOptions, context: Context, *, one: Answers, pool: str
) -> Sheet:
    """Return the empty sheet of one way to state probabilities."""
    from eval.rows import config_digest, resampler, sheet

    return sheet(
        resampler(one.groups, context), task="calibration", query=options.query,
        gallery=options.anchor, label=options.label, split=options.split, model=space.model,
        score=space.score, n_excluded=one.excluded, pool=pool,
        config_digest=config_digest(options, context),
    )  # fmt: skip


def _refuse_bare_scores(options: CalibrationOptions, context: Context) -> None:
    """Refuse cosines to single prompts of label sets: nothing says what probability they state."""
    inner: Any = options.asked.options
    if options.of["task"] != "zero_shot" or inner.labels == "single":
        return
    from eval.prompts import load_prompts

    pairs = False
    if inner.prompts is not None:
        pairs = all(load_prompts(inner.prompts, context.base).negative_prompts().values())
    if not pairs:
        raise Refusal(
            "E-CFG-025", file="pipeline", field="evaluate: calibration",
            found="label sets scored by prompts without their negation",
            expected="negated prompts for every class, so that a score is a margin",
        )  # fmt: skip


def _logits(given: Mapping[str, Answers], options: CalibrationOptions) -> dict[str, Answers]:
    """Return scores as logits: divided by the temperature, and by 2 for a probe of two classes.

    A probe of two classes gives each its own decision value, one the negative of the other.
    """
    found = {}
    for kind, one in given.items():
        divisor = options.divisor or 1.0
        if options.of["task"] == "probe" and one.truth.single is not None:
            divisor *= 2 if len(one.truth.classes) == 2 else 1
        found[kind] = replace(one, scores=one.scores / divisor)
    return found
