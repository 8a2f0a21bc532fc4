"""A small pipeline over two modalities, quick enough to be run whole in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SMALL = """\
name: small
seed: 3
manifest: {synthetic: clinic, subjects: 24}
modalities:
  ecg:
    options: {rate_hz: 100, seconds: 4}
    encoder: {name: vit1d_tiny, options: {width: 16, heads: 2, depth: 1, stem: 8}}
    adapt: {lora: {rank: 4, alpha: 8}}
  report:
    options: {max_tokens: 48, vocabulary: 512}
    encoder: {name: text_tiny, options: {width: 16, heads: 2, blocks: 1}}
    adapt: {lora: {rank: 4, alpha: 8}}
pretrain:
  ecg: {epochs: 1, batch_size: 8, precision: fp32}
align:
  edges: {anchor: report}
  dim: 8
  batch_size: 8
  epochs: 2
  precision: fp32
evaluate:
  - task: zero_shot
    query: ecg
    label: ecg_finding
    prompts: prompts.yaml
  - {task: retrieval, query: ecg, gallery: report, relation: same_label, label: ecg_finding}
replicates: 50
"""

PROMPTS = """\
name: small
templates: ["{}", "ECG shows {}"]
classes:
  - {id: sinus rhythm}
  - {id: atrial fibrillation}
  - {id: ST elevation myocardial infarction}
  - {id: left bundle branch block}
  - {id: premature ventricular complexes}
"""


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """A pipeline file with its prompts beside it."""
    (tmp_path / "prompts.yaml").write_text(PROMPTS)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pipeline file and its prompts, for tests that share what they start."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "prompts.yaml").write_text(PROMPTS)
    (folder / "small.yaml").write_text(SMALL)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the small pipeline."""
    from pipelines.plan import make_plan
    from pipelines.run import run_plan

    folder = tmp_path_factory.mktemp("finished")
    (folder / "prompts.yaml").write_text(PROMPTS)
    (folder / "small.yaml").write_text(SMALL)
    return run_plan(make_plan(folder / "small.yaml"), folder / "run").path


@pytest.fixture
def built(finished: Path) -> Any:
    """Makes crew, objective, config and demand of the finished small run, untrained."""
    from pipelines.align import demand_of
    from pipelines.batch import shelf
    from pipelines.decode import load_decoded
    from pipelines.plan import make_plan
    from pipelines.processes import Processes
    from pipelines.rows import manifest_of
    from pipelines.training import build_crew, build_objective, make_pairing

    def build(*overrides: str) -> Any:
        plan = make_plan(finished.parent / "small.yaml", overrides)
        manifest = manifest_of(plan, finished / "cohort")
        shelves = {
            k: shelf(p, load_decoded(finished / "decoded" / k), len(manifest))
            for k, p in plan.parts.items()
        }
        objective = build_objective(plan, shelves)
        pairing = make_pairing(plan, shelves, manifest, objective)
        crew = build_crew(plan, pairing, {}, Processes.alone())
        demand = demand_of(plan.objective, plan.objective_options)
        return crew, objective, plan.pipeline.align, demand

    return build
