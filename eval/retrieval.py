"""The `retrieval` task: finds the items of one modality that belong to an item of another."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from eval.gallery import Exclude, Merge
from eval.relations import Match, Relation
from eval.sides import Names, trained_score, with_joint
from eval.space import Space
from eval.task import Context, Result, Task
from workbench.modality import Options


class RetrievalOptions(Options):
    """What is searched in what, and what counts as found."""

    query: Names
    gallery: Names
    relation: Relation = "pair"
    label: str | None = None
    text: str | None = None
    ranks: tuple[str, ...] = ()
    rank: str | None = None
    match: Match = "any"
    k: tuple[int, ...] = Field(default=(1, 5, 10), min_length=1)
    split: str = "test"
    gallery_split: str | None = None
    merge: Merge = "content"
    exclude: Exclude | None = None
    no_positive: str = Field(default="exclude", pattern="^(exclude|miss)$")
    both_directions: bool = True
    at_gallery: tuple[int, ...] = ()
    score: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> RetrievalOptions:
        if any(k < 1 for k in self.k):
            raise ValueError("k counts from 1")
        if self.relation == "same_label" and self.label is None:
            raise ValueError("relation same_label needs label: the column to compare")
        if self.relation == "same_taxon" and not self.ranks:
            raise ValueError("relation same_taxon needs ranks: the columns from the top down")
        if self.rank is not None and self.rank not in self.ranks:
            raise ValueError(f"rank must be one of ranks {list(self.ranks)}")
        if self.at_gallery and self.relation != "pair":
            raise ValueError("at_gallery is defined for relation pair, one positive per query")
        return self

    def columns(self) -> tuple[str, ...]:
        """The manifest columns that the relation compares."""
        if self.relation == "same_text":
            return (self.text or self.gallery,)
        if self.relation == "same_label":
            return (self.label or "",)
        if self.relation == "same_taxon":
            return self.ranks[: self.ranks.index(self.rank) + 1] if self.rank else self.ranks
        return ()

    def exclusion(self) -> Exclude:
        """What a query must not see; by default itself, or its group where labels are compared."""
        if self.exclude is not None:
            return self.exclude
        if self.query != self.gallery:
            return "none"
        return "group" if self.relation in ("same_label", "same_taxon") else "self"

    def reversed(self) -> RetrievalOptions:
        """The same search the other way round."""
        columns = {"text": self.columns()[0]} if self.relation == "same_text" else {}
        return self.model_copy(update={"query": self.gallery, "gallery": self.query, **columns})


class Retrieval(Task[RetrievalOptions]):
    """Retrieval within or across modalities, every direction printed."""

    options = RetrievalOptions

    def run(self, space: Space, options: RetrievalOptions, context: Context) -> Result:
        """Rank the gallery for every query, in one direction or both.

        Raises:
            Refusal: the options ask for another score than the model was trained with, or a joint
                gallery holds the query itself.
        """
        from eval.direction import search, search_both

        trained_score(space, options.score)
        space = with_joint(space, options.query, options.gallery)
        if options.both_directions and options.query != options.gallery:
            found = search_both(space, options, context)
        else:
            found = [search(space, options, context)]
        predictions: dict[str, list[Any]] = {}
        for result in found:
            for name, values in result.predictions.items():
                predictions.setdefault(name, []).extend(values)
        order = sorted(range(len(predictions["id"])), key=lambda i: predictions["id"][i])
        return Result(
            [row for result in found for row in result.rows],
            {name: [values[i] for i in order] for name, values in predictions.items()},
            {"neighbours": [n for result in found for n in result.extras["neighbours"]]},
        )
