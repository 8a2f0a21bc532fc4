"""What a notebook shows of a run's material: pictures and tables to look at, text in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eval.report.blocks import Block, Figure, Numbers, Table
from eval.report.drawings import heat
from eval.report.page import fragment
from eval.report.sections.searches import gallery_of
from eval.report.tables import aligned, panels
from eval.report.wording import count, number

if TYPE_CHECKING:
    import pandas as pd

MOST_TEXT_CLASSES = 12


def metrics_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables of metric rows as an HTML fragment."""
    return fragment([Numbers(panel) for panel in panels(rows)])


@dataclass(frozen=True, repr=False)
class Confusion:
    """How often each class was called by each name.

    Attributes:
        title: which task it is of.
        classes: names, in the order of rows and columns.
        counts: rows are the truth, columns the prediction; shared ties make fractions.
    """

    title: str
    classes: Sequence[str]
    counts: Sequence[Sequence[float]]

    def table(self) -> pd.DataFrame:
        """Return the counts as a DataFrame, truth down, prediction across."""
        import pandas as pd

        names = list(self.classes)
        return pd.DataFrame(
            [list(row) for row in self.counts], index=pd.Index(names, name="truth"),
            columns=pd.Index(names, name="prediction"),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        drawing = heat(self.classes, self.counts)
        caption = f"{self.title}: rows are the truth, columns the prediction."
        whole: Block = (
            Table(caption, ("truth", *self.classes), self._cells(), frozenset())
            if drawing is None
            else Figure(drawing, f"{caption} Colour is the share of the row.")
        )
        return fragment([whole])

    def __repr__(self) -> str:
        if len(self.classes) > MOST_TEXT_CLASSES:
            right = sum(row[i] for i, row in enumerate(self.counts))
            total = sum(map(sum, self.counts))
            return (
                f"{self.title}: {len(self.classes)} classes, {count(right)} of {count(total)} right"
            )
        return f"{self.title}\n{aligned([('truth', *self.classes), *self._cells()])}"

    def _cells(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (str(name), *(count(value) for value in row))
            for name, row in zip(self.classes, self.counts, strict=True)
        )


@dataclass(frozen=True, repr=False)
class Searches:
    """Queries with what they found, nearest first.

    Attributes:
        title: which task they are of.
        entries: {"query", "query_modality", "gallery_modality", "items": [{"id", "score",
            "relevant"}]}.
        pictures: PNG bytes by "modality/id".
    """

    title: str
    entries: Sequence[Mapping[str, Any]]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def table(self) -> pd.DataFrame:
        """Return one row per query and item."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"query": entry.get("query"), "rank": rank, **item}
                for entry in self.entries
                for rank, item in enumerate(entry.get("items") or (), start=1)
            ]
        )

    def _repr_html_(self) -> str:
        return fragment([gallery_of(self.title, self.entries, self.pictures)])

    def __repr__(self) -> str:
        lines = [("query", "found", "nearest", "score")]
        for entry in self.entries:
            items = list(entry.get("items") or ())
            rank = next((i for i, one in enumerate(items, start=1) if one.get("relevant")), None)
            first = items[0] if items else {}
            found = "no relevance known" if not any("relevant" in one for one in items) else (
                f"rank {rank}" if rank else f"not in {len(items)}")  # fmt: skip
            lines.append(
                (str(entry.get("query")), found, str(first.get("id", "")),
                 number(first.get("score")))
            )  # fmt: skip
        return f"{self.title}\n{aligned(lines)}"
