"""Options of objectives that compare a row with more than the other rows of its batch."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from pipelines.objectives.contrastive import TOKEN_SCORES, ContrastiveOptions
from pipelines.objectives.entry import Need


class FurtherOptions(ContrastiveOptions):
    """What the options of queue, mined and contrary share: further negatives are pooled vectors."""

    @model_validator(mode="after")
    def _pooled(self) -> FurtherOptions:
        if self.score in TOKEN_SCORES:
            raise ValueError(f"score {self.score} compares tokens; further negatives have none")
        return self

    @classmethod
    def may_need(cls) -> frozenset[Need]:
        """Return what the targets that may be chosen read."""
        return super().may_need() - {"tokens"}


class RememberedOptions(FurtherOptions):
    """What the options of queue and mined share.

    Of rows outside the batch only id, group and contents are known, so a right answer by label
    among them would be taken for a wrong one.
    """

    targets: Literal["identity", "same_text"] = "identity"
