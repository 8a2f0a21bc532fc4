"""Section 8: every direction of retrieval, then a gallery of queries with what they found."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from eval.report.blocks import Block, Gallery, Missing, Picture, Search
from eval.report.data import ReportData
from eval.report.sections.results import numbers_of, plain
from eval.report.wording import finite, number

SEARCHES_PER_TASK = 8
ITEMS_PER_SEARCH = 6
PREVIEW_BUDGET = 3_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_TASKS = ("retrieval", "taxonomic", "mismatch")


class Previews:
    """Hands out previews as base64 until the page has room for no more."""

    def __init__(self, previews: Mapping[str, bytes], budget: int = PREVIEW_BUDGET) -> None:
        self._previews = previews
        self._room = budget

    def take(self, modality: str, row_id: str) -> str:
        """Return one preview, or nothing when there is none, it is no PNG, or room ran out."""
        data = self._previews.get(f"{modality}/{row_id}", b"")
        if not data.startswith(_PNG) or len(data) > self._room:
            return ""
        self._room -= len(data)
        return base64.b64encode(data).decode("ascii")


def retrieval(data: ReportData) -> list[Block]:
    """Return the numbers of every direction, then the galleries."""
    rows = [row for row in plain(data.metrics) if row.get("task") in _TASKS]
    blocks = numbers_of(rows) or [Missing("retrieval metrics")]
    shown = [(key, extra) for key, extra in data.extras.items() if extra.get("neighbours")]
    if not shown:
        return [*blocks, Missing("nearest neighbours of single queries")]
    # every task gets its share, so that a first one with large pictures cannot starve the rest
    share = PREVIEW_BUDGET // len(shown)
    for key, extra in shown:
        previews = Previews(data.previews, share)
        found = tuple(_search(entry, previews) for entry in extra["neighbours"][:SEARCHES_PER_TASK])
        blocks.append(Gallery(key, found))
    return blocks


def _search(entry: Mapping[str, Any], previews: Previews) -> Search:
    query_modality = str(entry.get("query_modality") or "")
    gallery_modality = str(entry.get("gallery_modality") or "")
    name = str(entry.get("query", ""))
    items = list(entry.get("items") or ())[:ITEMS_PER_SEARCH]
    first = next((i for i, item in enumerate(items, start=1) if item.get("relevant")), None)
    return Search(
        query=Picture(name, query_modality, previews.take(query_modality, name)),
        items=tuple(
            _item(item, rank, gallery_modality, previews)
            for rank, item in enumerate(items, start=1)
        ),
        verdict=f"found at rank {first}" if first else f"none relevant in the first {len(items)}",
        found=first is not None,
    )


def _item(item: Mapping[str, Any], rank: int, modality: str, previews: Previews) -> Picture:
    name = str(item.get("id", ""))
    relevant = item.get("relevant")
    return Picture(
        name=name, modality=modality, png=previews.take(modality, name), rank=rank,
        score=number(finite(item.get("score"))),
        relevant=None if relevant is None else bool(relevant),
    )  # fmt: skip
