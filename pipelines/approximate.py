"""Searches a finished run's gallery approximately, with the measured recall beside the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.api import Run
from workbench.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from eval.approximate import Graph, Recall


@dataclass(frozen=True)
class Found:
    """Approximate neighbours of one query, nearest first.

    Attributes:
        items: (id, exact cosine) of each.
        recall: how many true neighbours such a search finds, measured on the run's own vectors.
    """

    items: Sequence[tuple[str, float]]
    recall: Recall

    def text(self) -> str:
        """Return one line an item, and the measured recall."""
        lines = [f"{n:>3}  {score:.4f}  {row}" for n, (row, score) in enumerate(self.items, 1)]
        return "\n".join([*lines, str(self.recall)])


class ApproximateSearch:
    """One modality of a run laid out for many approximate searches.

    Args:
        run: the finished run.
        gallery: modality to search in.

    Raises:
        Refusal: faiss is not installed, the run has no such modality, or it was trained with a
            score other than cosine.
    """

    def __init__(self, run: Run, gallery: str) -> None:
        from eval.approximate import Graph

        space = run.space
        if gallery not in space.vectors:
            known = list(space.vectors)
            raise Refusal("E-CFG-013", file=str(run.path), field="modality", found=repr(gallery),
                          expected=f"one of {known}{did_you_mean(gallery, known)}")  # fmt: skip
        if space.score != "cosine":
            raise Refusal("E-CFG-022", file=str(run.path), field="score", found=space.score,
                          expected="cosine", fix="search this run exactly, by a retrieval task")  # fmt: skip
        self.run, self.ids = run, space.vectors[gallery].ids
        self.graph: Graph = Graph(space.vectors[gallery].values)
        self._recalls: dict[tuple[str, int], Recall] = {}

    def search(self, modality: str, cell: str | Path, k: int = 5) -> Found:
        """Return the nearest items of one file or text, with the recall for its modality.

        Args:
            modality: what the input is.
            cell: the file or text.
            k: how many.
        """
        vector = self.run.embed(modality, [cell])
        items, scores = self.graph.search(vector, k)
        pairs = [
            (self.ids[int(item)], float(score))
            for item, score in zip(items[0], scores[0], strict=True)
            if item >= 0
        ]
        return Found(pairs, self._recall(modality, k))

    def _recall(self, modality: str, k: int) -> Recall:
        """Return the recall for queries of a modality, measured once."""
        if (modality, k) not in self._recalls:
            values = self.run.space.vectors[modality].values
            self._recalls[modality, k] = self.graph.recall(values, k)
        return self._recalls[modality, k]


def approximate_text(run: Path, words: Sequence[str], gallery: str, k: int) -> str:
    """Return the nearest items as lines; `words` is the query, such as ["--ecg", "new.hea"]."""
    if len(words) != 2 or not words[0].startswith("--"):
        raise Refusal("E-CFG-013", file="command line", field="query", found=" ".join(words),
                      expected="--MODALITY FILE, such as --ecg new.hea")  # fmt: skip
    return ApproximateSearch(Run(run), gallery).search(words[0][2:], words[1], k).text()
