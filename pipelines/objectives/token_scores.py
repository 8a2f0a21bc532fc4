"""Options that objectives with a score of their own share: the score's options stand beside them."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from pipelines.objectives.contrastive import ContrastiveOptions


class TokenScoreOptions(ContrastiveOptions):
    """Options of a contrastive objective whose name presets its score."""

    @model_validator(mode="after")
    def _no_second_place(self) -> TokenScoreOptions:
        if self.score_options:
            raise ValueError("score_options must be empty: the score's options stand beside it")
        return self

    def of_score(self) -> dict[str, Any]:
        """Return the options that the score is made with; none here."""
        return {}
