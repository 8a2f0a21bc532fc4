"""The keys under `align.fuse`: how a vector is made of several modalities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, model_validator

from workbench.modality import Options

MOST_SUBSETS = 4
"""Most modalities of a fused vector whose subsets are all evaluated: 15 of them."""


class FuseConfig(Options):
    """A vector made of several modalities, under a name that stands wherever a modality's may."""

    of: tuple[str, ...] = Field(min_length=2, description="the modalities it is made of")
    how: Literal["mean", "gated", "agreement", "stochastic"] = Field(
        "mean", description="mean of unit vectors; learned gates; agreement; a small transformer"
    )
    drop: Annotated[float, Field(ge=0.0, lt=1.0)] | None = Field(
        None, description="chance to leave a modality out in training; stochastic 0.5, others 0"
    )
    gate: Literal["softmax", "sigmoid"] = Field("softmax", description="gated: competing or not")
    depth: Annotated[int, Field(gt=0)] = Field(1, description="stochastic: transformer blocks")
    heads: Annotated[int, Field(gt=0)] = Field(
        4, description="stochastic: attention heads; a divisor of dim"
    )
    subsets: bool | None = Field(
        None, description="evaluate every subset as well; default yes for up to 4 modalities"
    )

    @model_validator(mode="after")
    def _fits(self) -> FuseConfig:
        if len(set(self.of)) < len(self.of):
            raise ValueError(f"of names a modality twice: {list(self.of)}")
        foreign = {"gate": "gated", "depth": "stochastic", "heads": "stochastic"}
        for name, how in foreign.items():
            given = getattr(self, name) != type(self).model_fields[name].default
            if given and self.how != how:
                raise ValueError(f"{name} is an option of how: {how}, not of {self.how}")
        if self.subsets and len(self.of) > MOST_SUBSETS:
            raise ValueError(f"subsets: at most {MOST_SUBSETS} modalities, not {len(self.of)}")
        return self

    def share_dropped(self) -> float:
        """Return the chance that training leaves a present modality out."""
        if self.drop is not None:
            return self.drop
        return 0.5 if self.how == "stochastic" else 0.0

    def parts(self) -> tuple[tuple[str, ...], ...]:
        """Return the subsets to evaluate, small ones first; none where that was not wanted."""
        wanted = len(self.of) <= MOST_SUBSETS if self.subsets is None else self.subsets
        sizes = range(1, len(self.of) + 1) if wanted else ()
        return tuple(part for size in sizes for part in combinations(self.of, size))


def subset_name(name: str, part: Sequence[str]) -> str:
    """Return what the vectors of some modalities of a fused vector are stored under.

    >>> subset_name("patient", ("xray", "ecg"))
    'patient@xray+ecg'
    """
    return f"{name}@{'+'.join(part)}"


def is_subset(name: str | None) -> bool:
    """Whether a name is one that `subset_name` made; no modality's name holds its mark."""
    return name is not None and "@" in name
