"""Training in stages: clusters of every stage before, joined vectors, a run that loads again."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipelines import multistage
from pipelines.api import Run
from pipelines.multistage import refined
from pipelines.plan import make_plan
from pipelines.processes import Processes
from pipelines.run import run_plan
from pipelines.stacked import stacked
from pipelines.towers import Tower
from workbench.encoder import Features
from workbench.errors import Refusal
from workbench.seeding import keyed_rng

STAGED = ["align.batches={plan: clusters, stages: 2, clusters: 3}", "controls.random_frozen=0"]


class Passes(torch.nn.Module):
    """Gives the batch back as features."""

    def forward(self, batch):
        return Features(batch)


def test_another_score_than_cosine_is_refused(finished):
    with pytest.raises(Refusal, match=r"align.objective.score"):
        make_plan(finished.parent / "small.yaml", [*STAGED, "align.objective.name=late"])


def test_joined_vectors_have_the_mean_cosine_of_the_stages():
    torch.manual_seed(0)
    stages = [{"a": Tower(Passes(), 6, 4), "b": Tower(Passes(), 6, 4)} for _ in range(3)]
    tower = stacked(stages)
    batch = torch.randn(5, 6)
    for key in ("a", "b"):
        assert tower[key](batch).shape == (5, 12)
    joined = torch.cosine_similarity(tower["a"](batch), tower["b"](batch))
    single = [torch.cosine_similarity(s["a"].eval()(batch), s["b"].eval()(batch)) for s in stages]
    torch.testing.assert_close(joined, torch.stack(single).mean(dim=0))


def test_clusters_of_two_independent_stages_cross(monkeypatch):
    """The published code read the labels of the last stage for every stage before it."""
    rng = keyed_rng(0, "clusters")
    kinds = rng.integers(0, 3, size=(2, 200))
    centres = 10 * np.eye(3)
    pairing = SimpleNamespace(
        usable=lambda split: np.arange(190), manifest=range(200), seed=1
    )  # fmt: skip
    names = None
    for stage in range(2):
        monkeypatch.setattr(multistage, "_means", lambda crew, k=kinds[stage]: centres[k])
        names = refined(
            names, SimpleNamespace(pairing=pairing, processes=Processes.alone()), 3, stage + 1
        )
    assert names[190:] == [None] * 10
    pairs = {(names[i], kinds[0, i], kinds[1, i]) for i in range(190)}
    assert len(pairs) == len({name for name, _, _ in pairs}) == 9


def test_a_staged_run_loads_what_it_evaluated(finished, tmp_path):
    plan = make_plan(finished.parent / "small.yaml", STAGED)
    run = Run(run_plan(plan, tmp_path / "staged").path)
    stored = run.space.vectors["report"]
    assert stored.values.shape[1] == 2 * plan.pipeline.align.dim
    np.testing.assert_allclose(np.linalg.norm(stored.values, axis=1), 1.0, atol=1e-5)
    cell = run.manifest.column("report")[run.manifest.ids.index(stored.ids[0])]
    file = run.path / "cohort" / str(cell)
    np.testing.assert_allclose(run.embed("report", [file])[0], stored.values[0], atol=1e-5)
    first, second = run.towers["report"].head.projections
    assert not torch.equal(first.linear.weight, second.linear.weight)
