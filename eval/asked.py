"""Another task asked inside a task: its options, its question, its answers on one split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError, model_validator

from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task
from workbench import registry
from workbench.errors import Refusal
from workbench.modality import Options

if TYPE_CHECKING:
    from eval.answers import Answers


@dataclass(frozen=True)
class Asked:
    """One task with its options.

    Attributes:
        name: registry name.
        task: the task.
        options: its options, typed.
    """

    name: str
    task: Task[Any]
    options: Options

    def answer(self, space: Space, context: Context, split: str | None = None) -> Result:
        """Run the task without intervals, on its own split or another.

        Raises:
            Refusal: the classes' examples come from that split, so that rows would be their own.
        """
        options = self.options
        if split is not None:
            examples = getattr(getattr(options, "anchors", None), "split", "")
            refuse_fitting_on(split, examples, "of.anchors.from")
            options = options.model_copy(update={"split": split})
        return self.task.run(space, options, replace(context, replicates=0))


class AskingOptions(Options):
    """Options of a task that asks another; `of` is that one's entry, as under `evaluate:`.

    Query, gallery, anchor, label and split are those of the task it asks.
    """

    may_ask: ClassVar[tuple[str, ...]] = ()

    of: dict[str, Any]

    @model_validator(mode="after")
    def _known(self) -> AskingOptions:
        name = self.of.get("task")
        if name not in self.may_ask:
            raise ValueError(f"of.task is {name!r}, expected one of {list(self.may_ask)}")
        try:
            asked(self.of)
        except ValidationError as cause:
            first = cause.errors()[0]
            at = ".".join(map(str, first["loc"]))
            raise ValueError(f"of.{at}: {first['msg']}" if at else first["msg"]) from None
        return self

    @property
    def asked(self) -> Asked:
        """The task it asks."""
        return asked(self.of)

    @property
    def query(self) -> str | None:
        """The modality that asks."""
        return getattr(self.asked.options, "query", None)

    @property
    def gallery(self) -> str | None:
        """The modality that is searched, if any."""
        return getattr(self.asked.options, "gallery", None)

    @property
    def anchor(self) -> str | None:
        """The modality that reads prompts, if any."""
        return getattr(self.asked.options, "anchor", None)

    @property
    def label(self) -> str | None:
        """The label column, if any."""
        return getattr(self.asked.options, "label", None)

    @property
    def split(self) -> str:
        """The split that is scored."""
        return str(getattr(self.asked.options, "split", "test"))

    def texts(self, rows: Rows, context: Context) -> Mapping[str, Sequence[str]]:
        """Return the prompts that the task it asks needs."""
        inner = self.asked
        return inner.task.texts(inner.options, rows, context)


def asked(given: Mapping[str, Any]) -> Asked:
    """Return the task that an entry names, its options checked.

    Raises:
        Refusal: no such task.
    """
    name = str(given["task"])
    task: Task[Any] = registry.load("tasks", name)()
    rest = {key: value for key, value in given.items() if key != "task"}
    return Asked(name, task, task.options.model_validate(rest))


def answers(space: Space, inner: Asked, context: Context, split: str) -> dict[str, Answers]:
    """Return the class scores of a split by kind, such as "features"; empty where none was made."""
    from eval.answers import answers_of

    result = inner.answer(space, context, split)
    excluded = result.rows[0].n_excluded if result.rows else {}
    options: Any = inner.options
    found = answers_of(
        result.predictions, result.extras["classes"], options.labels, excluded=excluded
    )
    return {one.kind: one for one in found}


def nothing(space: Space, options: AskingOptions, *, task: str, metric: str) -> Metric:
    """Return the row that says that the task that was asked scored nothing."""
    return Metric(
        task=task, query=str(options.query), metric=metric, split=options.split,
        model=space.model, value=None, gallery=options.gallery or options.anchor,
        label=options.label, reason="no row was scored",
    )  # fmt: skip


def refuse_fitting_on(split: str, fit_split: str, field: str) -> None:
    """Refuse what would be fitted on the very rows that it is measured on.

    Raises:
        Refusal: both splits are one.
    """
    if split == fit_split:
        raise Refusal(
            "E-CFG-024", file="pipeline", field=f"evaluate: {field}",
            found=f"split {fit_split!r}, which is also the split that is measured",
            expected="another split, such as val; what is fitted on the measured rows flatters",
        )  # fmt: skip
