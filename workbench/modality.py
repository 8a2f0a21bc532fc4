"""The plugin contract: what a modality gives so that one pipeline can read, encode and test it.

A modality turns a cell of a manifest into an array, and an array into features. Importing a
modality must not import torch, transformers, peft or monai: those belong inside encoder builders.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from workbench.fingerprint import Fingerprint
from workbench.paths import resolve_inside

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from workbench.encoder import Encoder

Array = NDArray[Any]


class Options(BaseModel):
    """Base of every options model: complete, frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


O = TypeVar("O", bound=Options)  # noqa: E741  the options model of one modality


@dataclass(frozen=True)
class Spec:
    """What an array of this modality is, before batching.

    Attributes:
        name: registry name, such as "ecg".
        axes: names of the array's axes, such as "lead time", "c d h w" or "token".
        dtype: numpy dtype name of `Sample.data`.
        unit: physical unit or meaning of a value: "mV", "reflectivity 0..1", "token id".
        low: smallest value a sample may hold (NaN is allowed only where `Sample.valid` is False).
        high: largest value a sample may hold.
        cell: whether a manifest cell holds a path, inline text, or either.
    """

    name: str
    axes: str
    dtype: str
    unit: str
    low: float
    high: float
    cell: Literal["path", "text", "either"]


@dataclass(frozen=True)
class Source:
    """One manifest cell: its text, and the folder that relative paths start from.

    Attributes:
        value: the cell as written: a path, or inline text.
        root: data root; a path that leaves it is refused. None (notebook use) allows any path.
    """

    value: str
    root: Path | None = None

    @property
    def name(self) -> str:
        """The file as messages name it: relative to the root, or its last part."""
        return self.value if self.root is not None else Path(self.value).name

    def path(self) -> Path:
        """Return the real path of the cell; BadInput when it leaves the root or is missing."""
        return resolve_inside(self.value, self.root)


@dataclass(frozen=True)
class Sample:
    """One decoded cell.

    Attributes:
        data: array that obeys the modality's spec.
        valid: bool array broadcastable to `data`, False where nothing was measured; None = all.
        meta: facts about the sample, unit in the key: "rate_hz", "spacing_mm", "laterality".
            Nothing that names a person.
        flags: what was repaired, assumed or suspicious, as "F-ECG-015 einthoven".
    """

    data: Array
    valid: NDArray[np.bool_] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Samples of one modality stacked for an encoder.

    Attributes:
        values: (B, *axes) padded values.
        valid: bool, broadcastable to `values`; False is padding or a missing part. None = all real.
    """

    values: Tensor
    valid: Tensor | None = None

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def select(self, rows: Tensor | slice) -> Batch:
        """Return the batch of some rows, in the order given."""
        return Batch(self.values[rows], None if self.valid is None else self.valid[rows])

    def to(self, device: str) -> Batch:
        """Return the same batch on another device."""
        valid = None if self.valid is None else self.valid.to(device)
        return replace(self, values=self.values.to(device), valid=valid)


@dataclass(frozen=True)
class Masked:
    """A batch with parts hidden, for masked pretraining.

    Attributes:
        batch: the batch the encoder sees.
        target: (B, *axes) the values before hiding.
        hidden: bool, same shape as `target`; the loss counts only these elements.
        classes: number of symbols when `target` is categorical (int64), None when continuous.
    """

    batch: Batch
    target: Tensor
    hidden: Tensor
    classes: int | None = None


@dataclass(frozen=True)
class Finding:
    """Something `synthesize` can plant, with sentences for the report that goes with it.

    Attributes:
        name: registry name of the finding, such as "pleural effusion".
        statements: sentences that assert it, in varied wording.
        denials: sentences that rule it out.
    """

    name: str
    statements: tuple[str, ...]
    denials: tuple[str, ...]


@dataclass(frozen=True)
class Weights:
    """Where an encoder's weights come from.

    Attributes:
        source: "scratch", a local folder or file, or a hub id such as "org/name".
        revision: 40-hex commit, required for a hub id.
    """

    source: str = "scratch"
    revision: str | None = None

    @property
    def scratch(self) -> bool:
        """Whether the encoder starts from random numbers."""
        return self.source == "scratch"


@dataclass(frozen=True)
class EncoderEntry(Generic[O]):
    """A named encoder builder, described without importing it.

    Attributes:
        name: registry name, such as "vit1d_tiny".
        builder: "package.module:function", imported when the encoder is built. The function takes
            (encoder options, Weights, modality options) and returns a `workbench.encoder.Encoder`.
        summary: one line: architecture, size, source.
        options: model of the `encoder.options:` in the pipeline file.
        weights: which weight sources it accepts.
        data: what published weights were pretrained on, for the pretraining-overlap statement.
    """

    name: str
    builder: str
    summary: str
    options: type[Options] = Options
    weights: frozenset[Literal["scratch", "local", "hub"]] = frozenset({"scratch"})
    data: str = "not known"

    def build(self, encoder_options: Options, weights: Weights, options: O) -> Encoder:
        """Import the builder and return the encoder, on the CPU, in evaluation mode."""
        module, _, function = self.builder.partition(":")
        build: Callable[[Options, Weights, O], Encoder]
        build = getattr(importlib.import_module(module), function)
        return build(encoder_options, weights, options).eval()


class Modality(ABC, Generic[O]):
    """One data type: how to read it, batch it, vary it, hide parts of it, encode it and fake it.

    A plugin package defines a subclass and names an instance of it in its entry-point group
    `workbench.modalities`. `tests/contract/` runs one suite over every registered modality.
    """

    spec: Spec
    options: type[O]
    encoders: Mapping[str, EncoderEntry[O]]
    findings: tuple[Finding, ...]
    near_at: float = 1.0
    """The least `near` of two samples that count as near-copies of each other."""
    repeats: bool = False
    """Whether equal contents of different people are ordinary, as they are among reports."""

    @abstractmethod
    def read(self, source: Source, options: O) -> Sample:
        """Decode one cell. Raises BadInput, and nothing else, for what cannot be trusted."""

    @abstractmethod
    def collate(self, samples: Sequence[Sample], options: O) -> Batch:
        """Stack samples into one batch, padding inside this modality. Imports torch."""

    @abstractmethod
    def augment(self, sample: Sample, rng: np.random.Generator, options: O) -> Sample:
        """Return a training view that keeps the meaning of the sample."""

    @abstractmethod
    def mask(self, batch: Batch, rng: np.random.Generator, options: O, *, ratio: float) -> Masked:
        """Hide about `ratio` of the batch in units natural to the modality."""

    @abstractmethod
    def contract(self, options: O) -> dict[str, Any]:
        """Return the input contract, JSON-ready; a checkpoint refuses to load against another."""

    @abstractmethod
    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write one small fake file showing a finding and return its cell (path in `folder`).

        The file has the modality's real on-disk format. The cell is the file's name relative to
        `folder` for path modalities, inline text otherwise.
        """

    @abstractmethod
    def preview(self, sample: Sample) -> Figure:
        """Return the small picture that reports and notebooks show (about 3 x 2 inches)."""

    def peek(self, source: Source, options: O) -> None:
        """Raise BadInput for what a file's header alone gives away; by default, read it all."""
        self.read(source, options)

    def contradict(self, sample: Sample, rng: np.random.Generator, options: O) -> Sequence[Sample]:
        """Return samples that say the opposite of this one, for training; none by default."""
        del sample, rng, options
        return ()

    def fingerprint(self, sample: Sample, options: O) -> Fingerprint:
        """Return what near-copies of a sample are found by; by default they are not looked for.

        Pairs whose fingerprints agree are compared by `near`.
        """
        del sample, options
        return Fingerprint()

    def near(self, a: Sample, b: Sample, options: O) -> float:
        """Return how alike two samples are, 1 for copies, in the modality's own measure."""
        del options
        return float(np.array_equal(a.data, b.data, equal_nan=a.data.dtype.kind == "f"))

    def complete(self, options: O, weights: Weights) -> O:
        """Return options with what depends on the encoder's weights filled in (a tokenizer)."""
        del weights
        return options
