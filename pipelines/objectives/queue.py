"""Entry of the queue objective: vectors of earlier batches as further negatives."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.objectives.entry import Need, ObjectiveEntry
from pipelines.objectives.further import RememberedOptions


class QueueOptions(RememberedOptions):
    """Options of `objective: {name: queue}`."""

    size: int = Field(1024, ge=1, description="vectors kept per modality")
    momentum: bool = Field(
        True, description="keep vectors of the averaged towers, not of the batch"
    )
    ema_decay: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.999, description="decay of the averaged towers"
    )

    def needs(self) -> frozenset[Need]:
        """Return what these options read beside pooled vectors."""
        return super().needs() | (frozenset({"ema"}) if self.momentum else frozenset())


QUEUE = ObjectiveEntry(
    name="queue",
    builder="pipelines.objectives.queue_loss:Queue",
    options=QueueOptions,
    summary="contrastive, with vectors of earlier batches as further negatives",
    papers=("MoCo", "CoCoSoDa"),
    cost="1.3x with momentum",
    examples=(
        {},
        {"size": 5, "targets": "same_text"},
        {"momentum": False, "exclude_same_group": False},
    ),
)
