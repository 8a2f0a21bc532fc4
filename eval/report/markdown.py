"""The report as Markdown, from the same sections as the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from eval.report.blocks import (
    NOT_PROVIDED,
    Block,
    Facts,
    Figure,
    Gallery,
    Heading,
    Missing,
    Numbers,
    Search,
    Section,
    Table,
    Text,
    Verbatim,
)
from eval.report.data import ReportData
from eval.report.drawings import Heat
from eval.report.sections import sections
from eval.report.summary import summary
from eval.report.tables import Panel
from eval.report.verdicts import cards, warnings

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(data: ReportData) -> str:
    """Return `report.md`."""
    parts = [f"# {escape(data.name)}", escape(" ".join(summary(data)))]
    parts += [f"**Warning.** {escape(text)}" for text in warnings(data)]
    headlines = [
        (
            card.modality,
            line.title,
            line.metric,
            line.value,
            line.interval,
            line.chance,
            line.verdict,
        )
        for card in cards(data.metrics)
        for line in card.headlines
    ]
    if headlines:
        columns = ("modality", "does", "metric", "value", "95 % interval", "chance", "")
        parts.append(grid(columns, headlines, frozenset({3, 5})))
    parts += [_section(section) for section in sections(data)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Make a text mean nothing in Markdown or HTML, on one line."""
    plain = " ".join(text.split())
    plain = "".join(_ESCAPES.get(letter, letter) for letter in plain)
    marked = re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", plain)
    # a bare address would become a link, a leading mark a heading or a list
    marked = re.sub(r"(?i)\b(https?|ftp|javascript|data|mailto):(?=\S)", r"\1&#58;", marked)
    marked = re.sub(r"(?i)\bwww\.", "www&#46;", marked)
    return re.sub(r"^([#+=-]|\d+[.)](?=\s|$))", r"\\\1", marked)


def _section(section: Section) -> str:
    body = "\n\n".join(_block(block) for block in section.blocks)
    return f"## {section.number}. {section.title}\n\n{body}"


def _block(block: Block) -> str:
    """Write one block; drawings become their caption, and a matrix a table."""
    match block:
        case Text():
            return f"**{escape(block.text)}**" if block.tone == "warn" else escape(block.text)
        case Heading():
            return f"### {escape(block.title)}\n\n{escape(block.meaning)}".rstrip()
        case Facts():
            lines = [
                f"- {escape(term)}: {escape(text) or NOT_PROVIDED}" for term, text in block.pairs
            ]
            return "\n".join([f"**{escape(block.title)}**\n", *lines] if block.title else lines)
        case Table():
            table = grid(block.columns, block.rows, block.numeric)
            return f"**{escape(block.title)}**\n\n{table}\n\n{escape(block.note)}".rstrip()
        case Numbers():
            return _panel(block.panel)
        case Figure():
            return _figure(block)
        case Gallery():
            lines = [_search(search) for search in block.searches]
            return "\n".join([f"**Searches, {escape(block.title)}**\n", *lines])
        case Verbatim():
            return f"**{escape(block.title)}**\n\n{_fenced(block.text)}"
        case Missing():
            return (
                f"{escape(block.what.capitalize())}: {NOT_PROVIDED}. {escape(block.how)}".rstrip()
            )


def _panel(panel: Panel) -> str:
    columns = ("metric", "model", "value", "95 % interval", "chance", "n (groups)", "remarks")
    rows = [
        (line.metric, line.model, line.value, line.interval, line.chance, line.size, line.note)
        for line in (*panel.lines, *panel.rest)
    ]
    head = f"**{escape(panel.title)}**" + (f" ({escape(panel.subtitle)})" if panel.subtitle else "")
    return f"{head}\n\n{grid(columns, rows, frozenset({2, 4}))}"


def _figure(block: Figure) -> str:
    caption = f"*{escape(block.caption)}*"
    if not isinstance(block.drawing, Heat):
        return f"{caption} (drawn in report.html)"
    classes = block.drawing.classes
    size = len(classes)
    rows = [
        (name, *(cell.text for cell in block.drawing.cells[i * size : (i + 1) * size]))
        for i, name in enumerate(classes)
    ]
    return f"{caption}\n\n{grid(('truth', *classes), rows, frozenset(range(1, size + 1)))}"


def _search(search: Search) -> str:
    found = ", ".join(
        f"{item.name} {item.score}{' (relevant)' if item.relevant else ''}" for item in search.items
    )
    query = f"{search.query.modality} {search.query.name}"
    return f"- {escape(query)}, {search.verdict}: {escape(found)}"


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: frozenset[int]) -> str:
    """Return a Markdown table, every cell escaped; numeric columns align to the right."""
    rule = ["---:" if i in numeric else "---" for i in range(len(columns))]
    lines = [[escape(cell) for cell in row] for row in rows]
    return "\n".join(
        "| " + " | ".join(row) + " |" for row in ([escape(name) for name in columns], rule, *lines)
    )


def _fenced(text: str) -> str:
    """Fence a text with more backticks than it holds in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text.rstrip()}\n{fence}"
