"""Entry of MIL-NCE: contrastive over bags of which some member is right."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.objectives.token_scores import TokenScoreOptions


class MilNceOptions(TokenScoreOptions):
    """Options of `objective: {name: mil_nce}`; the tokens of one side of an edge are a bag."""

    score: Literal["mil_nce"] = "mil_nce"
    targets: Literal["identity", "same_text", "same_label"] = "identity"
    bag: Literal["query", "candidate", "both"] = Field(
        "candidate", description="side of an edge whose tokens are a bag of possible partners"
    )

    @model_validator(mode="after")
    def _one_temperature(self) -> MilNceOptions:
        if self.temperature_per != "shared":
            raise ValueError("temperature_per must be shared: a bag's score holds the temperature")
        if self.smoothing > 0:
            raise ValueError("smoothing must be 0: a bag as a whole is right or not")
        return self

    def of_score(self) -> dict[str, Any]:
        """Return the bag's side, and the temperature that members and candidates share."""
        return {
            "bag": self.bag, "temperature": self.temperature, "learn": self.learn_temperature,
        }  # fmt: skip


MIL_NCE = ObjectiveEntry(
    name="mil_nce",
    builder="pipelines.objectives.mil_nce_loss:MilNce",
    options=MilNceOptions,
    summary="log-sum-exp over all bags' members less that over the members of right bags",
    papers=("VATT", "MIL-NCE"),
    needs=frozenset({"tokens"}),
    cost="memory of Q x C x members in blocks",
    examples=(
        {},
        {"bag": "both", "targets": "same_text"},
        {"bag": "query", "targets": "same_label", "label": "finding"},
    ),
)
