"""Commands that take data a run has not seen: vectors for a manifest, a manifest for a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.scores.scorer import load_scorer
from pipelines import rows
from pipelines.plan import Part
from workbench import registry
from workbench.dataset import Dataset
from workbench.errors import Refusal
from workbench.manifest import Manifest
from workbench.modality import Options
from workbench.pipeline_file import validate
from workbench.yaml12 import Document, load_yaml


def embed_manifest(run: Path, manifest: Path, out: Path) -> str:
    """Embed every present cell of a new manifest with the towers of a run.

    Returns:
        One line a modality: how many vectors were written and how many cells were quarantined.
    """
    import shutil
    import tempfile

    from pipelines import decode
    from pipelines.api import open as open_run
    from pipelines.batch import shelf
    from pipelines.controls import plan_score
    from pipelines.embed import Model, embed_model, save_space
    from workbench.manifest import read_manifest
    from workbench.record import write_json

    finished = open_run(run)
    plan = finished.plan
    config = plan.pipeline.manifest.model_copy(update={"root": None, "path": str(manifest)})
    table = read_manifest(manifest.resolve(), config, seed=plan.pipeline.seed)
    wanted = {k: p for k, p in plan.parts.items() if _has_cells(p, table)}
    if not wanted:
        raise Refusal("E-MAN-014", file=manifest.name, field="columns", found=list(table.columns),
                      expected=f"a column of at least one of {list(plan.parts)}")  # fmt: skip
    work = Path(tempfile.mkdtemp(prefix="workbench-"))
    try:
        quarantine, shelves = [], {}
        for key, part in wanted.items():
            decode.decode(part, rows.cells(part, table), table, work / key)
            quarantine += decode.load_quarantine(work / key)
            shelves[key] = shelf(part, decode.load_decoded(work / key), len(table))
        towers = {key: finished.towers[key] for key in wanted}
        scorer = load_scorer(finished.folder.stage("checkpoints"))
        model = Model("trained", towers, plan_score(plan), scorer=scorer)
        space = embed_model(model, shelves, table)
        save_space(space, out, {"run": plan.digest(), "dim": plan.pipeline.align.dim})
        write_json(out / "quarantine.json", quarantine)
    finally:
        shutil.rmtree(work)
    lines = [f"{k}: {len(v.ids)} vectors" for k, v in space.vectors.items()]
    return "\n".join([*lines, f"{len(quarantine)} cells quarantined", f"written to {out}"])


def write_manifest(dataset: str, root: Path, out: Path, overrides: Sequence[str]) -> str:
    """Write a dataset's manifest and return the counts per split and what was rejected."""
    import pyarrow.csv
    import pyarrow.parquet

    adapter: Dataset[Options] = registry.load("datasets", dataset)
    given = {}
    for text in overrides:
        key, _, value = text.partition("=")
        given[key] = load_yaml(value, f"--set {key}")
    options = validate(adapter.options, given, Document(given, file="--set"))
    adapted = adapter.adapt(root, options)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        pyarrow.parquet.write_table(adapted.table, out)
    else:
        pyarrow.csv.write_csv(adapted.table, out)
    splits = adapted.table.column("split").to_pylist()
    lines = [f"{s}: {splits.count(s)} rows" for s in sorted(set(splits))]
    lines += [f"rejected: {n} {why}" for why, n in adapted.rejected.items()]
    return "\n".join([*lines, f"paths start from {adapted.root}", f"written to {out}"])


def _has_cells(part: Part, table: Manifest) -> bool:
    """Whether a new manifest holds anything of a modality."""
    column = part.config.column or part.key
    if part.config.template is None and column not in table.columns:
        return False
    return any(cell is not None for cell in rows.cells(part, table))
