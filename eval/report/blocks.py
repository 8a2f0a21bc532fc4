"""The building blocks of a report, which the page and the Markdown file both render."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from eval.report.drawings import Chart, Heat
from eval.report.scatter import Scatter
from eval.report.tables import Panel

NOT_PROVIDED = "not provided"


@dataclass(frozen=True)
class Text:
    """A paragraph; tone is "plain", "good" or "warn"."""

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Heading:
    """Where a task begins: what it asks, in one sentence, and the anchor that leads here."""

    title: str
    meaning: str
    anchor: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Facts:
    """Terms with what is known of each; an empty text reads "not provided"."""

    pairs: tuple[tuple[str, str], ...]
    title: str = ""
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: its caption.
        columns: headings.
        rows: cells, already worded.
        numeric: indices of the columns that align to the right.
        folded: shown closed on screen.
        note: what to know when reading it, such as how many rows were left out.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    folded: bool = False
    note: str = ""
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Numbers:
    """Metric rows that share task, query, gallery and split."""

    panel: Panel
    kind: ClassVar[str] = "numbers"


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption."""

    drawing: Heat | Chart | Scatter
    caption: str
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Picture:
    """One item of a gallery: its preview as base64 PNG, or nothing, and how it was ranked."""

    name: str
    modality: str
    png: str = ""
    rank: int = 0
    score: str = ""
    relevant: bool | None = None


@dataclass(frozen=True)
class Search:
    """A query with its nearest neighbours, nearest first."""

    query: Picture
    items: tuple[Picture, ...]
    verdict: str
    found: bool


@dataclass(frozen=True)
class Gallery:
    """Searches of one retrieval task."""

    title: str
    searches: tuple[Search, ...]
    note: str = ""
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Verbatim:
    """Text shown as it is, folded on screen."""

    title: str
    text: str
    kind: ClassVar[str] = "verbatim"


@dataclass(frozen=True)
class Missing:
    """What nobody gave; says how to give it."""

    what: str
    how: str = ""
    kind: ClassVar[str] = "missing"


Block = Text | Heading | Facts | Table | Numbers | Figure | Gallery | Verbatim | Missing


@dataclass(frozen=True)
class Section:
    """One of the eighteen sections."""

    number: int
    title: str
    blocks: tuple[Block, ...] = field(default_factory=tuple)

    @property
    def anchor(self) -> str:
        """The section's id in the page."""
        return f"s{self.number}"

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The tasks that begin in the section."""
        return tuple(block for block in self.blocks if isinstance(block, Heading))

    @property
    def filled(self) -> bool:
        """Whether the section holds anything but blanks."""
        return any(not _blank(block) for block in self.blocks)


def _blank(block: Block) -> bool:
    return isinstance(block, Missing | Heading) or (
        isinstance(block, Facts) and not any(text for _, text in block.pairs)
    )
