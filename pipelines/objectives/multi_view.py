"""Entries of the two multi-view objectives: all modalities of a record as views of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.objectives.entry import ObjectiveEntry, ObjectiveOptions

PAPER = "Multi-view contrastive learning (Koromilas et al.)"


class MvInfoNceOptions(ObjectiveOptions):
    """Options of `objective: {name: mv_infonce}`.

    Edges only say which modalities take part.
    """

    score: Literal["cosine"] = Field("cosine", description="score of evaluation")
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.1
    learn_temperature: bool = False
    exclude_same_group: bool = Field(
        True, description="other rows of the same patient are never negatives"
    )


class MvDhelOptions(MvInfoNceOptions):
    """Options of `objective: {name: mv_dhel}`."""

    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.5


MV_INFONCE = ObjectiveEntry(
    name="mv_infonce",
    builder="pipelines.objectives.multi_view_loss:MvInfoNce",
    options=MvInfoNceOptions,
    summary="one term a record: all pairs of its modalities against all of the batch",
    papers=(PAPER,),
    cost="O(M^2 B^2)",
    examples=({}, {"learn_temperature": True, "exclude_same_group": False}),
)

MV_DHEL = ObjectiveEntry(
    name="mv_dhel",
    builder="pipelines.objectives.multi_view_loss:MvDhel",
    options=MvDhelOptions,
    summary="pairs of a record's modalities drawn together, each modality spread out on its own",
    papers=(PAPER,),
    cost="O(M^2 B^2)",
    examples=({}, {"learn_temperature": True, "exclude_same_group": False, "temperature": 0.05}),
)
