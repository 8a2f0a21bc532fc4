"""What an evaluation is given: the vectors of one model, and the table of the rows they belong to.

Legend: N items of one modality, E shared width, W encoder feature width, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eval.scores.scorer import Scorer

Floats = NDArray[np.float32]
Halves = NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """The items of one modality.

    Attributes:
        ids: N row ids, sorted.
        values: (N, E) float32 unit vectors in the shared space.
        features: (N, W) float32 pooled encoder features, before projection; None if not kept.
        digests: N content digests (decoded array, normalised text or sequence), by which copies
            are found; None if not known.
        tokens: (N, T, E) unit tokens in the shared space, float16 or float32, an array or a memory
            map; None where the score reads none. A score is defined on the stored numbers, which
            it reads as float32: rounding to float16 moves it once, and no tile or thread again.
        token_valid: (N, T) bool, True for real tokens.
    """

    ids: tuple[str, ...]
    values: Floats
    features: Floats | None = None
    digests: tuple[str, ...] | None = None
    tokens: Halves | None = None
    token_valid: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Rows:
    """The manifest as evaluation sees it: text columns, no file and no person.

    Attributes:
        ids: unique row ids.
        groups: the unit that never crosses splits and that intervals resample.
        splits: train / val / test, or the names a dataset adapter gives.
        columns: label and subgroup columns; None is missing, never "".
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    splits: tuple[str, ...]
    columns: Mapping[str, Sequence[str | None]]

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Row number of every id."""
        return {row_id: i for i, row_id in enumerate(self.ids)}


@dataclass(frozen=True)
class Space:
    """One model's shared space over one manifest.

    Attributes:
        model: "trained", or "control:random_frozen", "control:unaligned", ...
        vectors: by modality name of the pipeline.
        rows: the manifest.
        texts: unit vectors (E,) of prompt texts, by modality and then by text.
        score: registry name of the score the model was trained with.
        scorer: that score with its trained numbers; None is plain cosine.
        text_tokens: prompt texts as items whose ids are the texts, by modality, where the score
            reads tokens.
    """

    model: str
    vectors: Mapping[str, Vectors]
    rows: Rows
    texts: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
    score: str = "cosine"
    scorer: Scorer | None = None
    text_tokens: Mapping[str, Vectors] = field(default_factory=dict)
