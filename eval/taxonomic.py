"""The `taxonomic` task: names order, family, genus and species by the nearest keys, seen and unseen."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from eval.sides import JOINT, Names
from eval.space import Space
from eval.task import Context, Result, Task
from workbench.modality import Options

COMBINED = ("average", "concat", "all")
"""Keys made of several modalities: their mean, their concatenation, the union of their keys."""


class TaxonomicOptions(Options):
    """Who asks, what is compared with it, and which names are read off.

    Attributes:
        query: modality that asks, or several as one item.
        keys: modalities whose items are keys, and any of "average", "concat", "all" over them.
        ranks: taxon columns from the top down; the last is the species.
        seen: split of queries of trained species.
        unseen: split of queries of species never trained on.
        key_seen: split of the keys of trained species.
        key_unseen: split of the keys of the others.
        k: how many nearest keys are read.
        by: "path" compares names from the top down to a rank, "name" the name alone (CLIBD).
        distinct: read the k nearest different names instead of the names of the k nearest keys.
        no_positive: whether a query whose taxon has no key is a miss, or is left out.
        one_key: whether all is printed again with one drawn key per species.
    """

    query: Names
    keys: tuple[str, ...] = Field(min_length=1)
    ranks: tuple[str, ...] = Field(default=("order", "family", "genus", "species"), min_length=1)
    seen: str = "test_seen"
    unseen: str = "test_unseen"
    key_seen: str = "train"
    key_unseen: str = "key_unseen"
    k: tuple[int, ...] = Field(default=(1, 3, 5), min_length=1)
    by: Literal["path", "name"] = "path"
    distinct: bool = False
    no_positive: Literal["miss", "exclude"] = "miss"
    one_key: bool = True
    score: str | None = None

    @field_validator("keys", "ranks", "k")
    @classmethod
    def _once(cls, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(given)) < len(given):
            raise ValueError(f"{list(given)} names something twice")
        return given

    @model_validator(mode="after")
    def _complete(self) -> TaxonomicOptions:
        if any(k < 1 for k in self.k):
            raise ValueError("k counts from 1")
        asked = {self.seen, self.unseen}
        if len(asked) < 2 or asked & {self.key_seen, self.key_unseen}:
            raise ValueError("queries and keys, seen and unseen, must be splits of their own")
        combined = [name for name in self.keys if name in COMBINED]
        if combined and len(self.modalities) < 2:
            raise ValueError(f"keys {combined} combine modalities, list at least two beside them")
        return self

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities among the keys."""
        return tuple(name for name in self.keys if name not in COMBINED)

    @property
    def anchor(self) -> str:
        """The modalities among the keys as one name, which the pipeline checks."""
        return JOINT.join(self.modalities)


class Taxonomic(Task[TaxonomicOptions]):
    """Open-world taxonomy: every rank for seen species, unseen species and their harmonic mean.

    After the protocol of Gong et al., "CLIBD", 2024 (arXiv 2405.17537).
    """

    options = TaxonomicOptions

    def run(self, space: Space, options: TaxonomicOptions, context: Context) -> Result:
        """Read the names of the nearest keys, for every kind of keys.

        Raises:
            Refusal: a modality or column is unknown, or the model's score is no cosine of vectors.
        """
        from eval.taxonomic_keys import key_sets, one_per_species, queries
        from eval.taxonomic_measure import measure
        from eval.taxonomic_rows import Book

        asked = queries(space, options)
        book = Book(space, options, context, asked)
        for keys in key_sets(space, options, asked):
            book.add(keys, measure(keys, asked, options), one_key=False)
            if options.one_key:
                few = one_per_species(keys, asked.taxa[-1], space.rows.ids, seed=context.seed)
                book.add(few, measure(few, asked, options), one_key=True)
        return book.result()
