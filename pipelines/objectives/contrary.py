"""Entry of the contrary objective: texts that contradict a row's own as further negatives."""

from __future__ import annotations

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.objectives.further import FurtherOptions


class ContraryOptions(FurtherOptions):
    """Options of `objective: {name: contrary}`."""


CONTRARY = ObjectiveEntry(
    name="contrary",
    builder="pipelines.objectives.contrary_loss:Contradicted",
    options=ContraryOptions,
    summary="contrastive, with texts that contradict a row's own as further negatives",
    papers=("MMGeoLM", "rule-made negatives"),
    needs=frozenset({"contrary"}),
    cost="1.5x",
    examples=({}, {"targets": "same_label", "label": "finding"}),
)
