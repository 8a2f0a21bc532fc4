"""The contract of a dataset adapter: a dataset's own layout in, one manifest table out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from workbench.modality import Options

if TYPE_CHECKING:
    import pyarrow as pa

O = TypeVar("O", bound=Options)  # noqa: E741  the options model of one adapter


@dataclass(frozen=True)
class Adapted:
    """What an adapter made of a dataset folder.

    Attributes:
        table: one row per study or specimen, every column text (null = missing, never ""):
            "id" (unique), "group" (patient or specimen), "split", one column per modality holding
            paths relative to `root` or inline text, then label and subgroup columns. A multi-label
            column holds the labels joined by "|".
        root: folder the paths start from.
        rejected: source records left out, by reason.
        source: dataset name and version, its licence and how to cite it.
    """

    table: pa.Table
    root: Path
    rejected: Mapping[str, int] = field(default_factory=dict)
    source: str = ""


class Dataset(ABC, Generic[O]):
    """One dataset's layout; an instance is registered by name under `workbench.datasets`.

    An adapter reads tables and file names, never patient files; it moves and rewrites nothing.
    """

    summary: str
    options: type[O]

    @abstractmethod
    def adapt(self, root: Path, options: O) -> Adapted:
        """Return the manifest of the dataset at `root`.

        Raises:
            Refusal: a file or column the layout needs is missing (names what was expected).
        """
