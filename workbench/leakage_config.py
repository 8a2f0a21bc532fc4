"""The `leakage:` part of the pipeline file: how strictly splits are kept apart."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.modality import Options


class LeakageConfig(Options):
    """What the audit looks for beside groups and equal contents, and what finding it costs."""

    near: Literal["flag", "refuse", "off"] = Field(
        "flag", description="near-copies in two splits: flagged, refused, or not looked for"
    )
    strict: bool = Field(
        False, description="refuse whatever is otherwise flagged: near-copies, repeated texts"
    )
    ids: tuple[str, ...] | None = Field(
        None,
        description="id columns that must not cross splits; default those named like an id "
        "(study_id, volume_id, specimen, ...)",
    )
    unseen: tuple[str, ...] | None = Field(
        None,
        description="splits of species that training must not hold; default those named so",
    )
    unseen_by: tuple[str, ...] | None = Field(
        None,
        description="columns that training must not share with an unseen split; default species "
        "and BIN columns, of which those left out here are flagged",
    )
