"""Another task asked inside a task: its options, its question, its answers on one split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError, model_validator

from eval.space import Rows, Space
from eval.task import Context, Result, Task
from workbench import registry
from workbench.errors import Refusal
from workbench.modality import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.labels import Truth


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
        """Run the task without intervals, on its own split or another."""
        options = self.options if split is None else self.options.model_copy(
            update={"split": split}
        )  # fmt: skip
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


@dataclass(frozen=True)
class Answers:
    """Class scores of the rows of one split. Legend: n rows, C classes.

    Attributes:
        kind: which vectors they come from, "features" or "values"; "" where there is one kind.
        ids: n row ids, sorted.
        groups: n groups.
        scores: (n, C).
        truth: the classes.
        excluded: how many rows were left out, by reason.
    """

    kind: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    scores: NDArray[np.float64]
    truth: Truth
    excluded: Mapping[str, int]


def asked(given: Mapping[str, Any]) -> Asked:
    """Return the task that an entry names, its options checked.

    Raises:
        Refusal: no such task.
    """
    name = str(given["task"])
    task: Task[Any] = registry.load("tasks", name)()
    rest = {key: value for key, value in given.items() if key != "task"}
    return Asked(name, task, task.options.model_validate(rest))


def answers(space: Space, inner: Asked, context: Context, split: str) -> list[Answers]:
    """Return the class scores of a split, one entry per kind of vector that was scored."""
    import numpy as np

    result = inner.answer(space, context, split)
    table = result.predictions
    if "included" not in table:
        return []
    kept = [i for i, included in enumerate(table["included"]) if included]
    ids = tuple(str(table["id"][i]) for i in kept)
    truth = _truth(space, inner, result, kept=kept)
    excluded = result.rows[0].n_excluded if result.rows else {}
    return [
        Answers(
            name.removeprefix("scores").lstrip("_"), ids, tuple(table["group"][i] for i in kept),
            np.array([column[i] for i in kept], dtype=float).reshape(len(kept), -1),
            truth, excluded,
        )
        for name, column in table.items()
        if name.startswith("scores")
    ]  # fmt: skip


def _truth(space: Space, inner: Asked, result: Result, *, kept: Sequence[int]) -> Truth:
    """Return the classes of the rows; uncertain labels are read as the task reads them."""
    from eval.labels import truth_of
    from eval.selection import column

    options: Any = inner.options
    classes = result.extras["classes"]
    if options.labels == "single":
        return truth_of([result.predictions["label"][i] for i in kept], classes, "single")
    cells = column(space.rows, options.label)
    position = space.rows.position
    rows = [cells[position[result.predictions["id"][i]]] for i in kept]
    return truth_of(rows, classes, "multi", uncertain=options.uncertain)


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
