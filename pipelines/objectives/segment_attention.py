"""Entry of segment attention: contrastive over the segments that a query attends to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.objectives.token_scores import TokenScoreOptions


class SegmentAttentionOptions(TokenScoreOptions):
    """Options of `objective: {name: segment_attention}`; candidates of an edge are segmented."""

    score: Literal["segment_attention"] = "segment_attention"
    attention_temperature: Annotated[float, Field(ge=0.01, le=1e6)] = Field(
        0.1, description="high weighs segments alike, low picks the closest"
    )
    learn_attention: bool = Field(True, description="whether that temperature is learned")

    def of_score(self) -> dict[str, Any]:
        """Return the temperature of the attention."""
        return {"temperature": self.attention_temperature, "learn": self.learn_attention}


SEGMENT_ATTENTION = ObjectiveEntry(
    name="segment_attention",
    builder="pipelines.objectives.token_scores_loss:TokenContrastive",
    options=SegmentAttentionOptions,
    summary="contrastive over a candidate's segments, weighed by how well they suit the query",
    papers=("CoLLAP",),
    needs=frozenset({"tokens"}),
    cost="memory of Q x C x segments in blocks",
    examples=(
        {"temperature": 0.2},
        {"attention_temperature": 1.0, "learn_attention": False, "smoothing": 0.1},
    ),
)
