"""Entry of finite discrete tokens: contrastive over mixtures of shared codes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.objectives.token_scores import TokenScoreOptions

Heat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class FdtOptions(TokenScoreOptions):
    """Options of `objective: {name: fdt}`."""

    score: Literal["fdt"] = "fdt"
    codes: Annotated[int, Field(ge=2)] = Field(256, description="size of the codebook")
    code_temperature: Heat = Field(
        1.0, description="lower mixes fewer codes; at 0.1 hardly anything was learnt"
    )
    code_temperature_start: Heat | None = Field(
        None, description="where training starts; falls geometrically to code_temperature"
    )

    def of_score(self) -> dict[str, Any]:
        """Return the codebook's size and the temperature it starts at."""
        start = self.code_temperature_start
        heat = self.code_temperature if start is None else start
        return {"size": self.codes, "temperature": heat}


FDT = ObjectiveEntry(
    name="fdt",
    builder="pipelines.objectives.fdt_loss:Fdt",
    options=FdtOptions,
    summary="contrastive over sparse mixtures of codes that all modalities share",
    papers=("FDT",),
    needs=frozenset({"tokens"}),
    cost="1.1x and memory of B x tokens x codes in blocks",
    examples=(
        {"codes": 24, "code_temperature": 0.5},
        {"codes": 16, "code_temperature_start": 1.0, "targets": "same_label", "label": "finding"},
    ),
)
