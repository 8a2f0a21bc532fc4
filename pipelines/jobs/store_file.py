"""The file that describes a stranger's vectors: `store.yaml`, as frozen models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from workbench.config import ManifestConfig, Name
from workbench.errors import Refusal
from workbench.modality import Options
from workbench.pipeline_file import validate
from workbench.yaml12 import parse_yaml

FILE = "store.yaml"


class VectorsFile(Options):
    """The vectors of one modality; every file is named from the folder of `store.yaml`."""

    vectors: str = Field(description="FILE or FILE#NAME: (N, E) of .npy, .safetensors, .parquet")
    ids: str | None = Field(None, description="table or .txt of N ids; default the Parquet itself")
    id: str = Field("id", description="column of the ids in a table")
    features: str | None = Field(
        None, description="FILE or FILE#NAME: (N, W) before projection, for tasks that probe them"
    )

    @model_validator(mode="after")
    def _has_ids(self) -> VectorsFile:
        if self.ids is None and not self.file.endswith(".parquet"):
            raise ValueError("ids is needed: the table or .txt that names each row of vectors")
        return self

    @property
    def file(self) -> str:
        """The file of the vectors, without the name inside it."""
        return self.vectors.partition("#")[0]


class PromptsFile(Options):
    """Vectors of prompt texts, made by whoever made the store."""

    vectors: str = Field(description="FILE or FILE#NAME: (P, E)")
    texts: str = Field(description="table, .json list or .txt of P texts")
    text: str = Field("text", description="column of the texts in a table")


class StoreFile(Options):
    """A whole `store.yaml`."""

    name: Name | None = Field(None, description="default the name of the folder")
    manifest: ManifestConfig
    modalities: Annotated[dict[Name, VectorsFile], Field(min_length=1)]
    prompts: dict[Name, PromptsFile] = Field(default_factory=dict)
    score: str = Field("cosine", description="registry name of the score that ranks these vectors")
    normalise: bool = Field(False, description="scale vectors to length one, instead of refusing")

    @model_validator(mode="after")
    def _has_table(self) -> StoreFile:
        if self.manifest.path is None:
            raise ValueError("manifest.path is needed: a CSV, TSV or Parquet table of the rows")
        return self

    def files(self) -> list[str]:
        """Return the name of every file of numbers or words, each once."""
        named = [
            name
            for one in self.modalities.values()
            for name in (one.vectors, one.ids, one.features)
        ]
        named += [name for one in self.prompts.values() for name in (one.vectors, one.texts)]
        return sorted({name.partition("#")[0] for name in named if name})


def read_store_file(path: Path) -> StoreFile:
    """Read and validate a `store.yaml`.

    Raises:
        Refusal: with file, line and column of the first mistake.
    """
    document = parse_yaml(path.read_bytes(), path.name)
    if not isinstance(document.data, dict):
        raise Refusal("E-CFG-012", file=document.place(()), field="document",
                      found=type(document.data).__name__, expected="keys and values")  # fmt: skip
    return validate(StoreFile, document.data, document)
