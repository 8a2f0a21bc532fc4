"""Section 8: every direction of retrieval, then a gallery of queries with what they found."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Gallery, Missing, Picture, Search
from eval.report.data import ReportData
from eval.report.sections.tasks import RETRIEVAL, pages_of
from eval.report.wording import finite, number

SEARCHES_PER_TASK = 8
ITEMS_PER_SEARCH = 6
PREVIEW_BUDGET = 3_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


class Previews:
    """Hands out previews as base64 until the page has room for no more.

    Attributes:
        refused: how many previews found no room.
    """

    def __init__(self, previews: Mapping[str, bytes], budget: int = PREVIEW_BUDGET) -> None:
        self._previews = previews
        self._room = budget
        self.refused = 0

    def take(self, modality: str, row_id: str) -> str:
        """Return one preview, or nothing when there is none, it is no PNG, or room ran out."""
        data = self._previews.get(f"{modality}/{row_id}", b"")
        if not data.startswith(_PNG):
            return ""
        if len(data) > self._room:
            self.refused += 1
            return ""
        self._room -= len(data)
        return base64.b64encode(data).decode("ascii")


def retrieval(data: ReportData) -> list[Block]:
    """Return the numbers of every direction, then a gallery for each."""
    blocks = pages_of(data, RETRIEVAL) or [Missing("retrieval metrics")]
    shown = {
        (key, *way): entries
        for key, extra in data.extras.items()
        for way, entries in _directions(extra.get("neighbours") or ()).items()
    }
    if not shown:
        return [*blocks, Missing("nearest neighbours of single queries")]
    # every direction gets its share, so that a first one with large pictures cannot starve the rest
    share = PREVIEW_BUDGET // len(shown)
    for (key, query, gallery), entries in shown.items():
        title = f"{query} → {gallery} ({key})"
        blocks.append(_gallery(title, entries, budget=share, previews=data.previews))
    return blocks


def gallery_of(
    title: str, entries: Sequence[Mapping[str, Any]], previews: Mapping[str, bytes]
) -> Gallery:
    """Return one gallery of searches that is shown by itself."""
    return _gallery(title, entries, budget=PREVIEW_BUDGET, previews=previews)


def chosen(entries: Sequence[Any]) -> list[Any]:
    """Return the searches that are shown: the first and the last, which are hits and misses."""
    if len(entries) <= SEARCHES_PER_TASK:
        return list(entries)
    half = SEARCHES_PER_TASK // 2
    return [*entries[:half], *entries[-half:]]


def _directions(entries: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Any]]:
    """Part searches by what asks and what is searched."""
    parted: dict[tuple[str, str], list[Any]] = {}
    for entry in entries:
        way = (str(entry.get("query_modality") or ""), str(entry.get("gallery_modality") or ""))
        parted.setdefault(way, []).append(entry)
    return parted


def _gallery(
    title: str, entries: Sequence[Any], *, budget: int, previews: Mapping[str, bytes]
) -> Gallery:
    """Return the gallery of one direction; its note states what was left out."""
    held = Previews(previews, budget)
    kept = chosen(entries)
    found = tuple(_search(entry, held) for entry in kept)
    longest = max((len(entry.get("items") or ()) for entry in kept), default=0)
    note = (
        f"{len(kept)} of {len(entries)} stored searches, the clearest hits and the worst misses; "
        f"the first {min(longest, ITEMS_PER_SEARCH)} items of each, by score."
    )
    if held.refused:
        note += f" {held.refused} previews were left out to keep the page small."
    return Gallery(title, found, note)


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
