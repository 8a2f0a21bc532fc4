"""A stranger's vectors as a store: checked, laid out once where needed, mapped from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eval.space import Floats, Rows, Space, Vectors
from pipelines.jobs.arrays import Matrix, open_matrix
from pipelines.jobs.lengths import check_features, check_vectors, lay_out, lies_ready, scaled
from pipelines.jobs.store_file import StoreFile, VectorsFile, read_store_file
from pipelines.jobs.words import SHOWN, column_of, read_words
from pipelines.plan import digest_of
from workbench.errors import Refusal
from workbench.files import file_digest
from workbench.manifest import Manifest, read_manifest
from workbench.modality import Options
from workbench.record import write_json

if TYPE_CHECKING:
    from eval.scores.scorer import Scorer

MODEL = "given"
"""What `model` says in the rows of a store that no run of ours made."""


@dataclass(frozen=True)
class ForeignStore:
    """The vectors that a `store.yaml` describes.

    Attributes:
        name: how the table calls it.
        digest: sha256 over the description, every file it names, and the rows.
        path: the `store.yaml`.
        file: what it says.
    """

    name: str
    digest: str
    path: Path
    file: StoreFile

    @property
    def provenance(self) -> Mapping[str, str]:
        """Nothing is known of what made the vectors."""
        return {"run_digest": "", "checkpoint_digest": "", "data_digest": self.digest}

    def renamed(self, name: str) -> ForeignStore:
        """Return the store under another name."""
        return replace(self, name=name)

    def prepare(self, cache: Path) -> None:
        """Read every number once, and lay out what is not sorted float32 of length one."""
        marker = cache / self.digest / "checked.json"
        if marker.is_file():
            return
        ready: dict[str, bool] = {}
        for key, one in self.file.modalities.items():
            ids, matrix = _open(self.path.parent, one)
            checked = check_vectors(matrix, ids, normalise=self.file.normalise)
            ready[key] = lies_ready(matrix, ids, checked)
            if not ready[key]:
                lay_out(matrix, ids, _laid(cache, self.digest, key), unit=True)
            if (features := _features(self.path.parent, one, ids)) is not None:
                check_features(features, ids)
                ready[f"{key}.features"] = lies_ready(features, ids, None)
                if not ready[f"{key}.features"]:
                    place = _laid(cache, self.digest, f"{key}.features")
                    lay_out(features, ids, place, unit=False)
        self._prompts()
        self._scorer(1)
        write_json(marker, ready)

    def space(self, cache: Path) -> Space:
        """Return the space, its vectors memory-mapped."""
        vectors = {key: self._vectors(key, cache) for key in sorted(self.file.modalities)}
        manifest = _manifest(self.path, self.file)
        rows = Rows(manifest.ids, manifest.groups, manifest.splits, manifest.columns)
        scorer = self._scorer(next(iter(vectors.values())).values.shape[1])
        return Space(MODEL, vectors, rows, self._prompts(), self.file.score, scorer)

    def with_texts(self, space: Space, texts: Mapping[str, Sequence[str]]) -> Space:
        """Return the space as it is when it has vectors of all texts; there is no encoder."""
        for key, wanted in texts.items():
            missing = [text for text in wanted if text not in space.texts.get(key, {})]
            if missing:
                raise Refusal(
                    "E-EMB-011", file=self.path.name, field=f"prompts.{key}",
                    found=f"no vector of {len(missing)} of {len(wanted)} texts, first "
                    f"{missing[0]!r}", expected="one of each, as the store has no text encoder",
                    fix=f"Give prompts: {{{key}: {{vectors: ..., texts: ...}}}}.",
                )  # fmt: skip
        return space

    def variants(self, options: Options) -> Sequence[Options]:
        """Return none: a store holds no fused vectors."""
        del options
        return ()

    def _vectors(self, key: str, cache: Path) -> Vectors:
        one = self.file.modalities[key]
        ids, matrix = _open(self.path.parent, one)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        contents = column_of(self.path.parent, one.ids or one.file, "content_sha256")
        features = _features(self.path.parent, one, ids)
        return Vectors(
            tuple(ids[n] for n in order), _mapped(matrix, _laid(cache, self.digest, key)),
            None if features is None
            else _mapped(features, _laid(cache, self.digest, f"{key}.features")),
            None if contents is None else tuple(contents[n] for n in order),
        )  # fmt: skip

    def _scorer(self, width: int) -> Scorer | None:
        """Return the score of the file; None is plain cosine."""
        if self.file.score == "cosine":
            return None
        from eval.scores import side_score
        from eval.scores.scorer import scorer_of

        score = side_score(self.file.score, width)
        if score.tokens or score.state_dict():
            needs = "tokens" if score.tokens else "trained numbers"
            raise Refusal("E-EMB-010", file=self.path.name, field="score", found=self.file.score,
                          expected=f"a score of single vectors; this one reads {needs}, which a "
                          "store does not hold")  # fmt: skip
        return scorer_of(score, ())

    def _prompts(self) -> dict[str, dict[str, Floats]]:
        """Return the prompt vectors by modality and text; they are few and held in memory."""
        found: dict[str, dict[str, Floats]] = {}
        for key, one in self.file.prompts.items():
            texts = read_words(self.path.parent, one.texts, one.text)
            matrix = open_matrix(self.path.parent, one.vectors, default="vectors")
            _refuse_other_count(matrix, len(texts), one.texts)
            check_vectors(matrix, texts, normalise=self.file.normalise)
            values = np.concatenate([scaled(block) for block in matrix.blocks()])
            found[key] = dict(zip(texts, values, strict=True))
        return found


def open_foreign(path: Path) -> ForeignStore:
    """Open a `store.yaml` and check all that can be checked without reading vectors.

    Raises:
        Refusal: a mistake in the file, a file that is missing or of another shape, ids that are
            repeated, not as many as vectors, or not in the manifest, or widths that differ.
    """
    file = read_store_file(path)
    manifest = _manifest(path, file)
    widths: dict[str, int] = {}
    for key, one in file.modalities.items():
        ids, matrix = _open(path.parent, one)
        _refuse_strangers(one.ids or one.file, ids, manifest)
        _features(path.parent, one, ids)
        widths[f"modalities.{key}"] = matrix.shape[1]
    for key, prompts in file.prompts.items():
        matrix = open_matrix(path.parent, prompts.vectors, default="vectors")
        widths[f"prompts.{key}"] = matrix.shape[1]
    if len(set(widths.values())) > 1:
        raise Refusal("E-EMB-004", file=path.name, field="width", found=widths,
                      expected="one width, as all vectors stand in one space")  # fmt: skip
    described = file.model_dump(mode="json", exclude={"name"})
    files = {name: file_digest(path.parent / name) for name in file.files()}
    digest = digest_of({"store": described, "files": files, "rows": manifest.digest()})
    return ForeignStore(file.name or path.resolve().parent.name, digest, path.resolve(), file)


def _manifest(path: Path, file: StoreFile) -> Manifest:
    return read_manifest(path.parent / str(file.manifest.path), file.manifest, seed=0)


def _open(folder: Path, one: VectorsFile) -> tuple[tuple[str, ...], Matrix]:
    """Return ids and vectors of a modality, as many of the one as of the other."""
    ids = read_words(folder, one.ids or one.file, one.id)
    matrix = open_matrix(folder, one.vectors, default="vectors")
    _refuse_other_count(matrix, len(ids), one.ids or one.file)
    return ids, matrix


def _features(folder: Path, one: VectorsFile, ids: Sequence[str]) -> Matrix | None:
    if one.features is None:
        return None
    matrix = open_matrix(folder, one.features, default="features")
    _refuse_other_count(matrix, len(ids), one.ids or one.file)
    return matrix


def _refuse_other_count(matrix: Matrix, count: int, names: str) -> None:
    if matrix.shape[0] != count or 0 in matrix.shape:
        raise Refusal("E-EMB-005", file=matrix.name, field="rows", found=f"shape {matrix.shape}",
                      expected=f"{count} rows, one for each of {names}")  # fmt: skip


def _refuse_strangers(name: str, ids: Sequence[str], manifest: Manifest) -> None:
    known = set(manifest.ids)
    strange = [row_id for row_id in ids if row_id not in known]
    if strange:
        raise Refusal(
            "E-EMB-007", file=name, field="ids", expected=f"ids of {manifest.name}",
            found=f"{len(strange)} of {len(ids)} in no row of it, first {strange[:SHOWN]}",
            fix="Name another id column, or leave out the vectors that belong to no row.",
        )  # fmt: skip


def _laid(cache: Path, digest: str, key: str) -> Path:
    return cache / digest / f"{key}.npy"


def _mapped(matrix: Matrix, laid: Path) -> Floats:
    """Return rows from where they were laid out, or else from where they lie."""
    found: Floats | None = np.load(laid, mmap_mode="r") if laid.is_file() else matrix.mapped
    if found is None:
        raise Refusal("E-EMB-002", file=matrix.name, field="layout", found="not prepared",
                      expected=f"{laid.name} beside the results")  # fmt: skip
    return found
