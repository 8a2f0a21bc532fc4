"""What a batch evaluation needs of a store of vectors, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from eval.space import Space
from workbench.modality import Options


class Store(Protocol):
    """The vectors of one model over one manifest; small, so that it can be sent to a worker."""

    @property
    def name(self) -> str:
        """How the table calls it."""

    @property
    def digest(self) -> str:
        """The sha256 of everything in the store that a number depends on."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """Digests of what made it: `run_digest`, `checkpoint_digest`, `data_digest`; "" if unknown."""

    def renamed(self, name: str) -> Store:
        """Return the store under another name."""

    def prepare(self, cache: Path) -> None:
        """Check every number, once; write into `cache` what cannot be mapped where it lies."""

    def space(self, cache: Path) -> Space:
        """Return the space, its vectors memory-mapped; `prepare` came before."""

    def with_texts(self, space: Space, texts: Mapping[str, Sequence[str]]) -> Space:
        """Return the space with vectors of these prompt texts, by modality.

        Raises:
            Refusal: the store has neither the vectors nor an encoder to make them.
        """

    def variants(self, options: Options) -> Sequence[Options]:
        """Return further options that a task is asked with: every part of a fused vector."""
