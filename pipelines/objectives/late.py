"""Entry of late interaction: contrastive over best-matching tokens."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.objectives.token_scores import TokenScoreOptions


class LateOptions(TokenScoreOptions):
    """Options of `objective: {name: late}`; every token of an edge's query seeks its best match."""

    score: Literal["late"] = "late"
    normalise: Literal["mean", "sum"] = Field(
        "mean", description="over the query's tokens; sum is ColBERT's form"
    )

    def of_score(self) -> dict[str, Any]:
        """Return how the query's tokens are counted."""
        return {"normalise": self.normalise}


LATE = ObjectiveEntry(
    name="late",
    builder="pipelines.objectives.token_scores_loss:TokenContrastive",
    options=LateOptions,
    summary="contrastive over tokens: each query token against its best candidate token",
    papers=("CLaMR", "ColBERT"),
    needs=frozenset({"tokens"}),
    cost="memory of Q x C x tokens in blocks",
    examples=({}, {"normalise": "sum", "temperature": 0.5, "targets": "same_text"}),
)
