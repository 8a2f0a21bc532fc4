"""What the notebook API hands back: each shows itself as a table or as pictures, and as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eval.report import Confusion, Searches, metrics_html, metrics_text
from eval.report.blocks import Gallery, Picture, Search, Table
from eval.report.page import fragment
from eval.report.sections.searches import Previews
from eval.report.tables import aligned
from workbench.errors import Refusal, did_you_mean

_NEEDED = frozenset({"task", "query", "metric", "model", "value"})
MOST_SHOWN_ROWS = 2000
Pictures = Callable[[Sequence[tuple[str, str]]], Mapping[str, bytes]]


class Metrics(pd.DataFrame):
    """The rows of metrics.json: a DataFrame that shows itself as the report shows numbers.

    What is left of it after a selection of rows still does; without the columns that say which
    number a row is, or with very many rows, it looks like any other DataFrame.
    """

    @property
    def _constructor(self) -> Callable[..., Metrics]:
        return Metrics

    def _repr_html_(self) -> str | None:
        rows = self._rows()
        return metrics_html(rows) if rows else super()._repr_html_()  # type: ignore[misc]

    def __repr__(self) -> str:
        rows = self._rows()
        return metrics_text(rows) if rows else super().__repr__()

    def _rows(self) -> list[dict[str, Any]]:
        """Return the rows as metrics.json has them; none where they cannot be shown as numbers."""
        if not set(self.columns) >= _NEEDED or not 0 < len(self) <= MOST_SHOWN_ROWS:
            return []
        records = pd.DataFrame(self).to_dict("records")
        return [{str(key): _plain(value) for key, value in row.items()} for row in records]


@dataclass(frozen=True, repr=False)
class Hits:
    """Nearest neighbours of one query, nearest first.

    Attributes:
        items: {"rank", "id", "score"} and the row's label columns.
        pictures: PNG bytes by id, where the gallery's files could be read.
        query: what was searched with, in words.
        gallery: the modality that was searched.
    """

    items: Sequence[Mapping[str, Any]]
    pictures: Mapping[str, bytes]
    query: str = ""
    gallery: str = ""

    def table(self) -> pd.DataFrame:
        """Return the hits as a DataFrame."""
        return pd.DataFrame([dict(item) for item in self.items])

    def _repr_html_(self) -> str:
        previews = Previews({f"{self.gallery}/{key}": png for key, png in self.pictures.items()})
        found = tuple(
            Picture(str(item["id"]), self.gallery, previews.take(self.gallery, str(item["id"])),
                    int(item["rank"]), f"{item['score']:.3f}")
            for item in self.items
        )  # fmt: skip
        verdict = f"{len(found)} nearest of {self.gallery}" if self.gallery else "nearest first"
        search = Search(Picture(self.query or "query", ""), found, verdict, True)
        return fragment([Gallery(self.query or "this query", (search,))])

    def __repr__(self) -> str:
        lines = [(str(i["rank"]), f"{i['score']:.4f}", str(i["id"])) for i in self.items]
        return aligned([("rank", "score", "id"), *lines], frozenset({0, 1}))


@dataclass(frozen=True, repr=False)
class Scores:
    """Zero-shot scores of one input, best class first.

    Attributes:
        items: {"class", "cosine", "probability"}; the probability is the softmax of the cosines
            over the trained temperature and is not calibrated.
    """

    items: Sequence[Mapping[str, Any]]

    @property
    def best(self) -> str:
        """The class with the largest cosine."""
        return str(self.items[0]["class"])

    def table(self) -> pd.DataFrame:
        """Return the scores as a DataFrame."""
        return pd.DataFrame([dict(item) for item in self.items])

    def _repr_html_(self) -> str:
        note = "The probabilities are not calibrated."
        columns = ("class", "cosine", "probability")
        return fragment([Table("Scores", columns, self._cells(), frozenset({1, 2}), note=note)])

    def __repr__(self) -> str:
        return aligned([("class", "cosine", "probability"), *self._cells()], frozenset({1, 2}))

    def _cells(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (str(item["class"]), f"{item['cosine']:.3f}", f"{item['probability']:.3f}")
            for item in self.items
        )


def confusion_of(folder: Path, entry: str | None) -> Confusion:
    """Return the confusion matrix of an entry of `evaluate:`, by default the first that has one.

    Raises:
        Refusal: no entry of that name has one.
    """
    name, extra = _entry(folder, entry, "confusion")
    return Confusion(name, extra["classes"], extra["confusion"])


def searches_of(folder: Path, entry: str | None, pictures: Pictures) -> Searches:
    """Return the stored searches of an entry of `evaluate:` with previews of what they show.

    Args:
        folder: predictions of the run.
        entry: name of the entry; by default the first that has searches.
        pictures: returns PNG bytes by "modality/id" of the (modality, id) it is given.

    Raises:
        Refusal: no entry of that name has any.
    """
    name, extra = _entry(folder, entry, "neighbours")
    found = extra["neighbours"]
    shown = {(one["query_modality"], one["query"]) for one in found}
    shown |= {(one["gallery_modality"], item["id"]) for one in found for item in one["items"]}
    return Searches(name, found, pictures(sorted(shown)))


def _entry(folder: Path, entry: str | None, key: str) -> tuple[str, Mapping[str, Any]]:
    """Return an entry's name and its material, which must hold `key`."""
    extras = json.loads((folder / "extras.json").read_text())
    held = {name: extra for name, extra in extras.items() if extra.get(key)}
    name = next(iter(held), "") if entry is None else entry
    if name not in held:
        raise Refusal("E-CFG-013", file=str(folder), field="entry", found=repr(entry),
                      expected=f"an entry with {key}: {list(held)}{did_you_mean(name, held)}")  # fmt: skip
    return name, held[name]


def _plain(value: Any) -> Any:
    """Return a DataFrame's cell as JSON would have it: no number is None, whole numbers are int."""
    if isinstance(value, float):
        if value != value:
            return None
        return int(value) if value.is_integer() and abs(value) > 1 else value
    return value
