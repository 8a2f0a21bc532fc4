"""What stands for the classes of a question: prompt texts, or examples of any modality.

Legend: n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from eval.examples import ExampleAnchors, Examples, Join, Rule, examples_of
from eval.lineage import LineageClasses, lineage_prompts, lineages
from eval.prompts import PromptSet, load_prompts
from eval.selection import Selection, column
from eval.sides import trained_score
from eval.space import Rows, Space
from eval.task import Context
from workbench.errors import Refusal
from workbench.modality import Options

if TYPE_CHECKING:
    from eval.side_anchors import SideAnchors

Reals = NDArray[np.float64]
Wordings = Mapping[str, Sequence[str]]


class AnchorOptions(Options):
    """Which modality is asked, and what stands for the classes of a label.

    Attributes:
        query: modality that is asked.
        label: column of the classes.
        prompts: prompt set, a file or a mapping.
        classes: prompts made from columns.
        anchors: examples instead of prompts.
        anchor: modality that reads the prompts; with `anchors`, theirs.
        aggregate: how the scores of one class become one; by default what the prompt set says.
        tau: temperature of "logsumexp" over examples; a prompt set states its own.
        neighbours: k of "knn" over examples.
        score: the model's score; another is refused.
    """

    query: str
    label: str
    prompts: str | dict[str, Any] | None = None
    classes: LineageClasses | None = None
    anchors: ExampleAnchors | None = None
    anchor: str = "report"
    aggregate: Rule | None = None
    tau: float = Field(default=1.0, gt=0)
    neighbours: int = Field(default=1, ge=1)
    score: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _anchor_of_examples(cls, given: Any) -> Any:
        """Name the examples' modality as the anchor, which the pipeline checks."""
        anchors = given.get("anchors") if isinstance(given, Mapping) else None
        modality = (
            anchors.get("modality") if isinstance(anchors, Mapping)
            else getattr(anchors, "modality", None)
        )  # fmt: skip
        return {**given, "anchor": modality} if isinstance(modality, str) else given

    @model_validator(mode="after")
    def _one_source(self) -> AnchorOptions:
        sources = (self.prompts, self.classes, self.anchors)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(
                "give either prompts (a file or a mapping), classes (a template) or anchors "
                "(examples)"
            )
        if self.classes is not None and self.classes.label not in (None, self.label):
            raise ValueError(f"classes.label must be the task's label, {self.label!r}")
        if self.anchors is None and self.aggregate == "knn":
            raise ValueError("aggregate knn is for anchors that are examples")
        return self


@dataclass(frozen=True)
class ClassAnchors:
    """Prompts or examples of C classes; exactly one of the two is there.

    Attributes:
        space: the shared space.
        options: the question.
        prompts: the prompt set.
        examples: the examples.
    """

    space: Space
    options: AnchorOptions
    prompts: PromptSet | None
    examples: Examples | None

    @property
    def classes(self) -> tuple[str, ...]:
        """The C class ids."""
        if self.prompts is not None:
            return tuple(entry.id for entry in self.prompts.classes)
        return self.examples.classes if self.examples is not None else ()

    @property
    def label(self) -> str | None:
        """Name and digest, for the rows."""
        source = self.prompts or self.examples
        return None if source is None else source.label

    def cells(self) -> Sequence[str | None]:
        """Return the class of every manifest row."""
        if self.options.classes is not None:
            return lineages(self.options.classes, self.options.label, self.space.rows)
        return column(self.space.rows, self.options.label)

    def of(self, chosen: Selection) -> Bound:
        """Return the anchors beside some rows of the query modality.

        Raises:
            Refusal: examples, or a mean of embeddings, of a score that has no single vectors.
        """
        scorer = trained_score(self.space, self.options.score)
        if scorer is None:
            return Bound(self, chosen, None, self._rule())
        if self.prompts is None:
            raise Refusal(
                "E-CFG-023", file="pipeline", field="evaluate.anchors",
                found=f"examples, score {self.space.score}",
                expected="prompts; examples are compared by cosine alone",
            )  # fmt: skip
        from eval.side_anchors import side_anchors, token_aggregate

        rule: Rule = self._rule()
        if scorer.score.tokens and rule != "knn":
            asked = None if self.options.aggregate in (None, "knn") else rule
            rule = token_aggregate(asked, self.prompts.aggregate)
        sides = side_anchors(
            self.space, scorer, self.options.query, chosen.ids, anchor=self.options.anchor
        )
        return Bound(self, chosen, sides, rule)

    def _rule(self) -> Rule:
        given: Rule = "mean_embedding" if self.prompts is None else self.prompts.aggregate
        return self.options.aggregate or given


@dataclass(frozen=True)
class Bound:
    """Class anchors beside n rows that are asked.

    Attributes:
        anchors: prompts or examples.
        chosen: the rows.
        sides: a score of whole sides, None for cosine.
        rule: how the scores of one class become one.
    """

    anchors: ClassAnchors
    chosen: Selection
    sides: SideAnchors | None
    rule: Rule

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader of the rows should know of how classes were scored."""
        options, prompts = self.anchors.options, self.anchors.prompts
        if prompts is None:
            more = {"knn": f" k={options.neighbours}", "logsumexp": f" tau={options.tau:g}"}
            return (f"anchors: examples, {self.rule}{more.get(self.rule, '')}",)
        asked = options.aggregate or prompts.aggregate
        return () if asked == self.rule else (f"aggregate {self.rule}: no mean of tokens",)

    def scores(self, wordings: Wordings | None = None) -> Reals:
        """Return (n, C) class scores, of the whole set of prompts or of some wordings of it."""
        prompts = self.anchors.prompts
        if prompts is None:
            return self.by_examples(self.anchors.examples)
        return self._by_wordings(wordings or prompts.positive_prompts(), prompts.tau)

    @cached_property
    def negated(self) -> Reals | None:
        """(n, C) scores of the negated prompts, None unless every class has some."""
        prompts = self.anchors.prompts
        negative = {} if prompts is None else prompts.negative_prompts()
        if prompts is None or not negative or not all(negative.values()):
            return None
        return self._by_wordings(negative, prompts.tau)

    def by_examples(self, examples: Examples | None) -> Reals:
        """Return (n, C) class scores by some examples."""
        if examples is None:
            return np.zeros((len(self.chosen), 0))
        options = self.anchors.options
        join = Join(self.rule, options.tau, options.neighbours)
        return examples.scores(self._vectors(), join)

    def _by_wordings(self, wordings: Wordings, tau: float) -> Reals:
        from eval.anchors import class_scores

        rule: Any = self.rule
        if self.sides is not None:
            return self.sides.scores(wordings, aggregate=rule, tau=tau)
        space, options = self.anchors.space, self.anchors.options
        table = partial(class_scores, self._vectors(), texts=space.texts.get(options.anchor, {}))
        return table(wordings, aggregate=rule, tau=tau, name=space.score)

    def _vectors(self) -> NDArray[np.float32]:
        space, options = self.anchors.space, self.anchors.options
        return space.vectors[options.query].values[self.chosen.items]


def prompt_set(options: AnchorOptions, rows: Rows, context: Context) -> PromptSet | None:
    """Return the prompt set of a question, None where examples stand for the classes."""
    if options.anchors is not None:
        return None
    if options.classes is not None:
        return lineage_prompts(options.classes, options.label, rows)
    return load_prompts(options.prompts or {}, context.base)


def prompt_texts(options: AnchorOptions, rows: Rows, context: Context) -> dict[str, list[str]]:
    """Return every prompt of every class, once, under the modality that reads them."""
    prompts = prompt_set(options, rows, context)
    if prompts is None:
        return {}
    every = [*prompts.positive_prompts().values(), *prompts.negative_prompts().values()]
    every += [
        text
        for number in range(len(prompts.templates))
        for text in prompts.of_template(number).values()
    ]
    return {options.anchor: list(dict.fromkeys(text for group in every for text in group))}


def class_anchors(
    space: Space, options: AnchorOptions, context: Context, *, labels: Any = "single"
) -> ClassAnchors:
    """Return what stands for the classes of a question.

    Raises:
        Refusal: the prompt set, a column or a modality is not right.
    """
    prompts = prompt_set(options, space.rows, context)
    examples = None
    if options.anchors is not None:
        examples = examples_of(space, options.anchors, options.label, labels=labels)
    return ClassAnchors(space, options, prompts, examples)
