"""Scores of queries against classes of prompts, by a score of whole sides.

Legend: n queries, C classes, P prompt texts, E width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eval.anchors import Reals, reduce_classes
from eval.prompts import Aggregate
from eval.scores.cosine import unit
from eval.scores.scorer import Scorer
from eval.side_ranking import score_table
from eval.sides import Items, items_of
from eval.space import Floats, Space, Vectors
from workbench.errors import Failure, Refusal

ROWS = 256  # queries scored at a time


@dataclass(frozen=True)
class SideAnchors:
    """Queries and prompt texts of one question.

    Attributes:
        scorer: the score of the model.
        query: n items.
        anchor: modality of the texts.
        texts: P texts as items whose ids are the texts.
    """

    scorer: Scorer
    query: Items
    anchor: str
    texts: Vectors

    def scores(
        self, prompts: Mapping[str, Sequence[str]], *, aggregate: Aggregate, tau: float
    ) -> Reals:
        """Return (n, C) class scores; see `eval.anchors.class_scores`.

        Raises:
            Failure: a prompt has no vector.
        """
        number = {text: n for n, text in enumerate(self.texts.ids)}
        absent = [text for group in prompts.values() for text in group if text not in number]
        if absent:
            raise Failure(f"{len(absent)} prompts have no vector, the first is {absent[0]!r}")
        places = [[number[text] for text in group] for group in prompts.values()]
        if aggregate == "mean_embedding":
            means = [unit(self.texts.values[at]).mean(axis=0) for at in places]
            return self._against(_bare(unit(np.stack(means)).astype(np.float32)))
        columns = self._every[:, [n for group in places for n in group]]
        return reduce_classes(columns, [len(group) for group in places], aggregate, tau)

    @cached_property
    def _every(self) -> Reals:
        """(n, P) scores with every text, made once for all ways of asking."""
        return self._against(self.texts)

    def _against(self, texts: Vectors) -> Reals:
        at = np.arange(len(texts.ids), dtype=np.int64)
        gallery = Items({self.anchor: (texts, at)}, self.query.tokens)
        blocks = [
            np.arange(i, min(i + ROWS, len(self.query))) for i in range(0, len(self.query), ROWS)
        ]
        tables = [score_table(self.scorer, self.query[rows], gallery) for rows in blocks]
        return np.concatenate(tables) if tables else np.zeros((0, len(at)))


def side_anchors(
    space: Space, scorer: Scorer, query: str, ids: Sequence[str], *, anchor: str
) -> SideAnchors:
    """Return the anchors of some rows' items against every prompt text of a space."""
    texts = space.text_tokens.get(anchor)
    if texts is None:
        given = space.texts.get(anchor, {})
        names = tuple(sorted(given))
        values = np.stack([given[t] for t in names]) if names else np.zeros((0, 1), np.float32)
        texts = Vectors(names, values.astype(np.float32))
    return SideAnchors(scorer, items_of(space, query, ids), anchor, texts)


def token_aggregate(asked: Aggregate | None, given: Aggregate) -> Aggregate:
    """Return how prompts of one class are joined where a score reads tokens, which have no mean.

    Args:
        asked: what the task's options say.
        given: what the prompt set says.

    Raises:
        Refusal: the options ask for the mean of embeddings.
    """
    if asked == "mean_embedding":
        raise Refusal(
            "E-CFG-023", file="pipeline", field="evaluate.aggregate", found=asked,
            expected="mean_score, max_score or logsumexp: a score of tokens has no mean embedding",
        )  # fmt: skip
    chosen = asked or given
    return "mean_score" if chosen == "mean_embedding" else chosen


def _bare(values: Floats) -> Vectors:
    return Vectors(tuple(map(str, range(len(values)))), values)
