"""Entry of the byol objective: predict the averaged towers' vectors, without any negatives."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.objectives.entry import Need, ObjectiveEntry, ObjectiveOptions

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ByolOptions(ObjectiveOptions):
    """Options of `objective: {name: byol}`."""

    cross: Share = Field(
        0.5, description="share of the terms between modalities; the rest stays within each"
    )
    views: bool = Field(False, description="predict another training view instead of the same")
    hidden: int = Field(512, ge=1, description="width of the predictors' hidden layer")
    ema_decay: Share = Field(0.995, description="decay of the averaged towers")

    def needs(self) -> frozenset[Need]:
        """Return what these options read beside pooled vectors and averaged towers."""
        return frozenset({"views"}) if self.views else frozenset()


BYOL = ObjectiveEntry(
    name="byol",
    builder="pipelines.objectives.byol_loss:Byol",
    options=ByolOptions,
    summary="each modality predicts both sides as the averaged towers see them; no negatives",
    papers=("SLAP", "BYOL"),
    needs=frozenset({"ema"}),
    separable=True,
    cost="1.3x",
    examples=({}, {"views": True, "hidden": 8, "cross": 0.8}),
)
