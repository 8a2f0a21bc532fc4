"""Tests of the galleries of searches."""

from __future__ import annotations

from typing import Any

from example_rows import run

from eval.report.blocks import Gallery, Missing
from eval.report.sections.searches import SEARCHES_PER_TASK, Previews, chosen, retrieval

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


def entry(query: str, way: tuple[str, str] = ("ecg", "report")) -> dict[str, Any]:
    return {"query": query, "query_modality": way[0], "gallery_modality": way[1],
            "items": [{"id": f"{query}-hit", "score": 0.5, "relevant": True}]}  # fmt: skip


def test_without_searches_the_section_says_so() -> None:
    blocks = retrieval(run([]))
    assert all(isinstance(block, Missing) for block in blocks)


def test_every_direction_has_a_gallery_of_its_own() -> None:
    found = [entry("e1"), entry("r1", ("report", "ecg"))]
    galleries = [b for b in retrieval(run([], extras={"retrieval-x": {"neighbours": found}}))
                 if isinstance(b, Gallery)]  # fmt: skip
    assert [gallery.title for gallery in galleries] == [
        "ecg → report (retrieval-x)", "report → ecg (retrieval-x)",
    ]  # fmt: skip


def test_of_many_searches_the_first_and_the_last_are_shown_and_the_cap_is_stated() -> None:
    many = [entry(f"e{i}") for i in range(20)]
    assert [one["query"] for one in chosen(many)] == [
        "e0",
        "e1",
        "e2",
        "e3",
        "e16",
        "e17",
        "e18",
        "e19",
    ]
    (gallery,) = [b for b in retrieval(run([], extras={"r": {"neighbours": many}}))
                  if isinstance(b, Gallery)]  # fmt: skip
    assert len(gallery.searches) == SEARCHES_PER_TASK
    assert gallery.note.startswith("8 of 20 stored searches")


def test_previews_that_found_no_room_are_counted() -> None:
    held = Previews({"ecg/1": PNG, "ecg/2": PNG, "ecg/3": b"no picture"}, budget=len(PNG))
    assert [bool(held.take("ecg", name)) for name in "1234"] == [True, False, False, False]
    assert held.refused == 1
