"""Vectors of every sample in the shared space, stored so that they can be read without us.

Legend: N samples of a modality, E shared width, W encoder width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eval.space import Floats, Rows, Space, Vectors
from pipelines.batch import Shelf
from pipelines.towers import Tower
from workbench.files import atomic_write
from workbench.manifest import Manifest
from workbench.modality import Batch, Source
from workbench.record import write_json

BATCH = 64


@dataclass(frozen=True)
class Model:
    """Towers under one name: the trained model, or a control.

    Attributes:
        name: "trained" or "control:...".
        towers: by modality key.
        score: registry name of the score they were trained with.
    """

    name: str
    towers: Mapping[str, Tower]
    score: str


def embed_model(model: Model, shelves: Mapping[str, Shelf], manifest: Manifest) -> Space:
    """Return the space of a model over all rows, without prompt texts."""
    vectors = {k: embed_shelf(model.towers[k], s, manifest) for k, s in shelves.items()}
    return Space(model.name, vectors, table_of(manifest), {}, model.score)


def embed_shelf(tower: Tower, shelf: Shelf, manifest: Manifest) -> Vectors:
    """Embed every sample of a modality, sorted by id.

    Batches follow that order in fixed sizes: the shape of a matrix product decides its last bits.
    """
    order = sorted(
        range(len(shelf.decoded.rows)), key=lambda i: manifest.ids[shelf.decoded.rows[i]]
    )
    rows = shelf.decoded.rows[order]
    parts = [encode(tower, shelf.batch(rows[i : i + BATCH])) for i in range(0, len(rows), BATCH)]
    values = np.concatenate([v for v, _ in parts]) if parts else np.zeros((0, 1), np.float32)
    features = np.concatenate([f for _, f in parts]) if parts else np.zeros((0, 1), np.float32)
    ids = tuple(manifest.ids[int(r)] for r in rows)
    return Vectors(ids, values, features, tuple(shelf.decoded.digests[i] for i in order))


def embed_texts(tower: Tower, shelf: Shelf, texts: Sequence[str]) -> dict[str, Floats]:
    """Embed prompt texts with the tower of a text modality."""
    part = shelf.part
    vectors: dict[str, Floats] = {}
    unique = sorted(set(texts))
    for i in range(0, len(unique), BATCH):
        chunk = unique[i : i + BATCH]
        samples = [part.modality.read(Source(text), part.options) for text in chunk]
        values, _ = encode(tower, part.modality.collate(samples, part.options))
        vectors.update(zip(chunk, values, strict=True))
    return vectors


def table_of(manifest: Manifest) -> Rows:
    """Return the manifest as evaluation sees it."""
    return Rows(manifest.ids, manifest.groups, manifest.splits, manifest.columns)


def save_space(space: Space, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write one Parquet of ids and one safetensors of vectors per modality, and prompt vectors."""
    import pyarrow as pa
    import pyarrow.parquet
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    for key, found in space.vectors.items():
        columns = {"id": list(found.ids), "content_sha256": list(found.digests or ())}
        pa.parquet.write_table(pa.table(columns), folder / f"{key}.parquet", compression="zstd")
        tensors = {"vectors": np.ascontiguousarray(found.values)}
        if found.features is not None:
            tensors["features"] = np.ascontiguousarray(found.features)
        atomic_write(folder / f"{key}.safetensors", save(tensors))
    for key, texts in space.texts.items():
        stacked = np.stack([texts[t] for t in sorted(texts)]) if texts else np.zeros((0, 1))
        atomic_write(folder / f"{key}.prompts.safetensors", save({"vectors": stacked}))
        write_json(folder / f"{key}.prompts.json", sorted(texts))
    write_json(folder / "space.json", {"model": space.model, "score": space.score, **provenance})


def load_space(folder: Path, manifest: Manifest) -> Space:
    """Read what `save_space` wrote."""
    import json

    import pyarrow.parquet
    from safetensors.numpy import load_file

    facts = json.loads((folder / "space.json").read_text())
    vectors: dict[str, Vectors] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pyarrow.parquet.read_table(path)
        tensors = load_file(str(path.with_suffix(".safetensors")))
        digests = tuple(table.column("content_sha256").to_pylist())
        ids = tuple(table.column("id").to_pylist())
        vectors[path.stem] = Vectors(ids, tensors["vectors"], tensors.get("features"), digests)
    texts = {}
    for path in sorted(folder.glob("*.prompts.json")):
        key = path.name.removesuffix(".prompts.json")
        stacked = load_file(str(folder / f"{key}.prompts.safetensors"))["vectors"]
        texts[key] = dict(zip(json.loads(path.read_text()), stacked, strict=True))
    return Space(facts["model"], vectors, table_of(manifest), texts, facts["score"])


def encode(tower: Tower, batch: Batch) -> tuple[Floats, Floats]:
    """Return (B, E) unit vectors and (B, W) features, float32, in evaluation mode."""
    tower.eval()
    with torch.inference_mode():
        pooled = tower.features(batch).pooled.float()
        vectors = torch.nn.functional.normalize(tower.head(pooled), dim=-1)
    return _array(vectors), _array(pooled)


def _array(tensor: torch.Tensor) -> Floats:
    found: NDArray[np.float32] = tensor.cpu().numpy().astype(np.float32, copy=True)
    return found
