"""Vectors of every sample in the shared space, stored so that they can be read without us.

Legend: B samples of a batch, N of a modality, E shared width, W encoder width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from eval.space import Floats, Rows, Space, Vectors
from pipelines.batch import Shelf
from pipelines.fusion.fusion import Fusion
from pipelines.fusion.vectors import fused_vectors
from pipelines.placement import device_of, sent
from pipelines.stored_tokens import Padded, joined, load_tokens, save_tokens, unit_tokens
from pipelines.towers import Tower
from workbench.encoder import Features
from workbench.files import atomic_write
from workbench.manifest import Manifest
from workbench.modality import Batch, Source
from workbench.record import write_json

if TYPE_CHECKING:
    from eval.scores.scorer import Scorer

BATCH = 64


@dataclass(frozen=True)
class Model:
    """Towers under one name: the trained model, or a control.

    Attributes:
        name: "trained" or "control:...".
        towers: by modality key.
        score: registry name of the score they were trained with.
        fusions: by fused name.
        scorer: that score with its trained numbers; None is plain cosine.
    """

    name: str
    towers: Mapping[str, Tower]
    score: str
    fusions: Mapping[str, Fusion] = field(default_factory=dict)
    scorer: Scorer | None = None

    @property
    def reads_tokens(self) -> bool:
        """Whether tokens have to be kept to rank with the score."""
        return self.scorer is not None and self.scorer.score.tokens


def embed_model(model: Model, shelves: Mapping[str, Shelf], manifest: Manifest) -> Space:
    """Return the space of a model over all rows, without prompt texts."""
    keep = model.reads_tokens
    vectors = {
        k: embed_shelf(model.towers[k], s, manifest, tokens=keep) for k, s in shelves.items()
    }
    vectors |= fused_vectors(model.fusions, vectors)
    return Space(model.name, vectors, table_of(manifest), {}, model.score, model.scorer)


def with_texts(
    space: Space, model: Model, shelves: Mapping[str, Shelf], texts: Mapping[str, Sequence[str]]
) -> Space:
    """Return the space with vectors of prompt texts by modality, and tokens where they are read."""
    found = {
        key: embed_text_items(model.towers[key], shelves[key], wanted, tokens=model.reads_tokens)
        for key, wanted in texts.items()
    }
    plain = {key: dict(zip(v.ids, v.values, strict=True)) for key, v in found.items()}
    return replace(space, texts=plain, text_tokens=found if model.reads_tokens else {})


def embed_shelf(tower: Tower, shelf: Shelf, manifest: Manifest, *, tokens: bool = False) -> Vectors:
    """Embed every sample of a modality, sorted by id; keep unit tokens in float16 if asked.

    Batches follow that order in fixed sizes: the shape of a matrix product decides its last bits.
    """
    order = sorted(
        range(len(shelf.decoded.rows)), key=lambda i: manifest.ids[shelf.decoded.rows[i]]
    )
    rows = shelf.decoded.rows[order]
    ids = tuple(manifest.ids[int(r)] for r in rows)
    batches = (shelf.batch(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH))
    found = _embedded(tower, batches, ids, tokens=tokens)
    return replace(found, digests=tuple(shelf.decoded.digests[i] for i in order))


def embed_texts(tower: Tower, shelf: Shelf, texts: Sequence[str]) -> dict[str, Floats]:
    """Embed prompt texts with the tower of a text modality."""
    found = embed_text_items(tower, shelf, texts)
    return dict(zip(found.ids, found.values, strict=True))


def embed_text_items(
    tower: Tower, shelf: Shelf, texts: Sequence[str], *, tokens: bool = False
) -> Vectors:
    """Embed prompt texts as items whose ids are the texts, each once, sorted."""
    part = shelf.part
    unique = tuple(sorted(set(texts)))
    batches = (
        part.modality.collate(
            [part.modality.read(Source(text), part.options) for text in unique[i : i + BATCH]],
            part.options,
        )
        for i in range(0, len(unique), BATCH)
    )
    return _embedded(tower, batches, unique, tokens=tokens)


def _embedded(
    tower: Tower, batches: Iterable[Batch], ids: tuple[str, ...], *, tokens: bool
) -> Vectors:
    """Return the vectors of batches in order, and their tokens if the tower has any."""
    values: list[Floats] = []
    features: list[Floats] = []
    padded: list[Padded] = []
    tower.eval()
    for batch in batches:
        with torch.inference_mode():
            found = tower.features(sent(batch, device_of(tower)))
            values.append(_unit(tower, found))
            features.append(_array(found.pooled.float()))
            if tokens and tower.has_tokens:
                padded.append(unit_tokens(*tower.tokens(found)))
    nothing = np.zeros((0, 1), np.float32)
    whole = joined(padded) if padded else None
    return Vectors(
        ids, np.concatenate(values) if values else nothing,
        np.concatenate(features) if features else nothing, None,
        None if whole is None else whole.tokens, None if whole is None else whole.valid,
    )  # fmt: skip


def table_of(manifest: Manifest) -> Rows:
    """Return the manifest as evaluation sees it."""
    return Rows(manifest.ids, manifest.groups, manifest.splits, manifest.columns)


def save_space(space: Space, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write one Parquet of ids and one safetensors of vectors per modality, and prompt vectors.

    Where the score reads tokens, they stand beside them, and the score in `score.safetensors` and
    `score.json`.
    """
    import pyarrow as pa
    import pyarrow.parquet
    from safetensors.numpy import save

    from eval.scores.scorer import save_scorer

    folder.mkdir(parents=True, exist_ok=True)
    for key, found in space.vectors.items():
        columns = {"id": list(found.ids), "content_sha256": list(found.digests or ())}
        pa.parquet.write_table(pa.table(columns), folder / f"{key}.parquet", compression="zstd")
        tensors = {"vectors": np.ascontiguousarray(found.values)}
        if found.features is not None:
            tensors["features"] = np.ascontiguousarray(found.features)
        atomic_write(folder / f"{key}.safetensors", save(tensors))
        save_tokens(found, folder / f"{key}.tokens.safetensors")
    for key, items in space.text_tokens.items():
        save_tokens(items, folder / f"{key}.prompts.tokens.safetensors")
    if space.scorer is not None:
        save_scorer(space.scorer, folder)
    for key, texts in space.texts.items():
        stacked = np.stack([texts[t] for t in sorted(texts)]) if texts else np.zeros((0, 1))
        atomic_write(folder / f"{key}.prompts.safetensors", save({"vectors": stacked}))
        write_json(folder / f"{key}.prompts.json", sorted(texts))
    write_json(folder / "space.json", {"model": space.model, "score": space.score, **provenance})


def load_space(folder: Path, manifest: Manifest) -> Space:
    """Read what `save_space` wrote; tokens stay on disk as memory maps."""
    import json

    import pyarrow.parquet
    from safetensors.numpy import load_file

    from eval.scores.scorer import load_scorer

    facts = json.loads((folder / "space.json").read_text())
    vectors: dict[str, Vectors] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pyarrow.parquet.read_table(path)
        tensors = load_file(str(path.with_suffix(".safetensors")))
        digests = tuple(table.column("content_sha256").to_pylist())
        ids = tuple(table.column("id").to_pylist())
        found = Vectors(ids, tensors["vectors"], tensors.get("features"), digests)
        vectors[path.stem] = load_tokens(found, folder / f"{path.stem}.tokens.safetensors")
    texts, items = load_prompts(folder)
    return Space(
        facts["model"], vectors, table_of(manifest), texts, facts["score"], load_scorer(folder),
        items,
    )  # fmt: skip


def load_prompts(folder: Path) -> tuple[dict[str, dict[str, Floats]], dict[str, Vectors]]:
    """Return prompt vectors by modality and text, and prompts as items where tokens were kept."""
    import json

    from safetensors.numpy import load_file

    texts: dict[str, dict[str, Floats]] = {}
    items: dict[str, Vectors] = {}
    for path in sorted(folder.glob("*.prompts.json")):
        key = path.name.removesuffix(".prompts.json")
        stacked = load_file(str(folder / f"{key}.prompts.safetensors"))["vectors"]
        names = tuple(json.loads(path.read_text()))
        texts[key] = dict(zip(names, stacked, strict=True))
        stored = folder / f"{key}.prompts.tokens.safetensors"
        if stored.is_file():
            items[key] = load_tokens(Vectors(names, stacked), stored)
    return texts, items


def encode(tower: Tower, batch: Batch) -> tuple[Floats, Floats]:
    """Return (B, E) unit vectors and (B, W) features, float32, in evaluation mode."""
    tower.eval()
    with torch.inference_mode():
        found = tower.features(sent(batch, device_of(tower)))
        return _unit(tower, found), _array(found.pooled.float())


def _unit(tower: Tower, features: Features) -> Floats:
    """Return (B, E) unit vectors."""
    return _array(torch.nn.functional.normalize(tower.head(features.pooled.float()), dim=-1))


def _array(tensor: torch.Tensor) -> Floats:
    found: NDArray[np.float32] = tensor.cpu().numpy().astype(np.float32, copy=True)
    return found
