"""Entry of the sigmoid objective: its options, and the papers it covers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import ObjectiveEntry


class SigmoidOptions(ContrastiveOptions):
    """Options of `objective: {name: sigmoid}`."""

    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.1
    bias: Annotated[float, Field(allow_inf_nan=False)] = Field(
        -10.0, description="added to every score at the start; the many wrong pairs begin cheap"
    )
    learn_bias: bool = True

    @model_validator(mode="after")
    def _right_or_wrong(self) -> SigmoidOptions:
        if self.targets == "graded":
            raise ValueError("targets graded shares one right answer among candidates, but sigmoid "
                             "asks of each pair alone; use same_label, soft or contrastive")  # fmt: skip
        return self


SIGMOID = ObjectiveEntry(
    name="sigmoid",
    builder="pipelines.objectives.sigmoid_loss:Sigmoid",
    options=SigmoidOptions,
    summary="each pair alone is right or wrong: logistic loss with a scale and a bias",
    papers=("SigLIP",),
    examples=(
        {},
        {"targets": "same_text", "smoothing": 0.1},
        {"targets": "same_label", "label": "finding", "bias": -2.0},
        {"targets": "soft", "soft_from": "b"},
        {"temperature_per": "edge", "exclude_same_group": False, "bias": 0.0},
    ),
)
