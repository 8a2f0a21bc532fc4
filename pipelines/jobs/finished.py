"""A finished run as stores: one for each of its models, verified, its vectors memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.space import Floats, Space, Vectors
from pipelines.jobs.arrays import mapped_tensor
from pipelines.plan import Plan, digest_of
from workbench.errors import Refusal
from workbench.manifest import Manifest
from workbench.modality import Options
from workbench.record import verify_stage

TRAINED = "trained"


@dataclass(frozen=True)
class RunStore:
    """The vectors of one model of a run.

    Attributes:
        name: how the table calls it.
        digest: sha256 over its files, the rows and, where prompts may be encoded, the checkpoint.
        run: the run's folder.
        model: the model's folder under `embeddings/`.
        made_by: digests of what made it.
    """

    name: str
    digest: str
    run: Path
    model: str
    made_by: tuple[tuple[str, str], ...]

    @property
    def provenance(self) -> Mapping[str, str]:
        """Digests of the run's configuration, checkpoints and data."""
        return dict(self.made_by)

    @property
    def folder(self) -> Path:
        """Where the vectors lie."""
        return self.run / "embeddings" / self.model

    def renamed(self, name: str) -> RunStore:
        """Return the store under another name."""
        return replace(self, name=name)

    def prepare(self, cache: Path) -> None:
        """Verify every file against its sha256."""
        del cache
        verify_stage(self.folder)

    def space(self, cache: Path) -> Space:
        """Return the space, its vectors memory-mapped."""
        del cache
        from eval.scores.scorer import load_scorer
        from pipelines.embed import table_of

        facts = json.loads((self.folder / "space.json").read_text())
        vectors = {p.stem: _vectors(p) for p in sorted(self.folder.glob("*.parquet"))}
        from pipelines.embed import load_prompts

        texts, items = load_prompts(self.folder)
        rows = table_of(_manifest(self.run)[1])
        scorer = load_scorer(self.folder)
        return Space(facts["model"], vectors, rows, texts, facts["score"], scorer, items)

    def with_texts(self, space: Space, texts: Mapping[str, Sequence[str]]) -> Space:
        """Return the space with all prompts: stored by the run, or encoded by its trained towers.

        A task's texts are encoded together and sorted, so that its numbers do not depend on what
        other tasks ask.
        """
        missing = {
            key: [text for text in wanted if text not in space.texts.get(key, {})]
            for key, wanted in texts.items()
        }
        found = dict(space.texts)
        for key in (key for key, lacking in missing.items() if lacking):
            self._refuse_without_encoder(space, key, missing[key])
            found[key] = self._encoded(key, sorted(set(texts[key])))
        return replace(space, texts=found)

    def variants(self, options: Options) -> Sequence[Options]:
        """Return a task's options for every part of a fused vector, for the trained model."""
        from pipelines.evaluate import subset_options

        return subset_options(_plan(self.run).pipeline, options) if self.model == TRAINED else ()

    def _encoded(self, key: str, texts: Sequence[str]) -> dict[str, Floats]:
        from pipelines.api import open as open_run

        return dict(zip(texts, open_run(self.run).embed(key, texts), strict=True))

    def _refuse_without_encoder(self, space: Space, key: str, missing: Sequence[str]) -> None:
        """Refuse where prompts cannot be encoded as those of the run were."""
        found = f"no vector of {len(missing)} texts, first {missing[0]!r}"
        tokens = space.scorer is not None and space.scorer.score.tokens
        if self.model != TRAINED or tokens:
            why = "whose prompts need tokens" if tokens else "whose towers were not kept"
            raise Refusal(
                "E-EMB-011", file=self.name, field=f"prompts.{key}", found=found,
                expected=f"a vector of each, from a model {why}",
                fix="Put the task under evaluate: of the run's pipeline and run it again.",
            )  # fmt: skip


def open_run_stores(run: Path, only: str | None = None) -> list[RunStore]:
    """Return a store for each model of a run, the trained one first; or the `only` one.

    Raises:
        Refusal: no finished run, or its rows cannot be read.
    """
    plan, manifest = _manifest(run)
    folders = sorted(p.parent for p in (run / "embeddings").glob("*/stage.json"))
    models = sorted((p.name for p in folders), key=lambda name: (name != TRAINED, name))
    if TRAINED not in models or (only is not None and only not in models):
        raise Refusal("E-CKP-011", file=str(run), field="embeddings", found=models or "nothing",
                      expected=f"embeddings/{only or TRAINED}; finish the run first")  # fmt: skip
    chosen = models if only is None else [only]
    return [_store(run.resolve(), model, (plan, manifest)) for model in chosen]


def _store(run: Path, model: str, asked: tuple[Plan, Manifest]) -> RunStore:
    plan, manifest = asked
    files = json.loads((run / "embeddings" / model / "stage.json").read_text())["files"]
    checkpoint = digest_of(_stage_files(run / "checkpoints")) if model == TRAINED else ""
    known = {"files": files, "rows": manifest.digest(), "checkpoint": checkpoint}
    record = json.loads((run / "record.json").read_text())
    made_by = (
        ("run_digest", plan.digest()), ("checkpoint_digest", checkpoint),
        ("data_digest", str(record["data"]["digest"])),
    )  # fmt: skip
    name = run.name if model == TRAINED else f"{run.name}/{model}"
    return RunStore(name, digest_of(known), run, model, made_by)


def _stage_files(folder: Path) -> Mapping[str, str]:
    """Return the sha256 of every file of a stage, as its marker lists them."""
    found: Mapping[str, str] = json.loads((folder / "stage.json").read_text())["files"]
    return found


def _plan(run: Path) -> Plan:
    from pipelines.api import plan_of

    return plan_of(run)


def _manifest(run: Path) -> tuple[Plan, Manifest]:
    from pipelines.rows import manifest_of

    plan = _plan(run)
    limit = json.loads((run / "pipeline.json").read_text())["limit"]
    return plan, manifest_of(plan, run / "cohort", limit=limit)


def _vectors(path: Path) -> Vectors:
    """Return one modality of a stored space, mapped."""
    import pyarrow.parquet
    from safetensors import safe_open

    from pipelines.stored_tokens import load_tokens

    table = pyarrow.parquet.read_table(path)
    numbers = path.with_suffix(".safetensors")
    with safe_open(str(numbers), framework="numpy") as whole:
        featured = "features" in whole.keys()  # noqa: SIM118  the object is no mapping
    found = Vectors(
        tuple(table.column("id").to_pylist()), mapped_tensor(numbers, "vectors"),
        mapped_tensor(numbers, "features") if featured else None,
        tuple(table.column("content_sha256").to_pylist()),
    )  # fmt: skip
    return load_tokens(found, path.with_suffix(".tokens.safetensors"))
