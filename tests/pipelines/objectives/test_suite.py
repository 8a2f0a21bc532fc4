"""The suite of invariants itself: it fails for an objective that breaks one or gives no example."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
import torch
from torch.nn.functional import cross_entropy, normalize
from pipelines.objectives.entry import ObjectiveEntry, ObjectiveOptions
from pipelines.objectives.objective import LossOut, Objective

class Careless(Objective):
    def __init__(self, options, edges, shapes):
        super().__init__()
        self.edges = edges
        self.idle = torch.nn.Parameter(torch.zeros(()))
        self.calls = 0

    def forward(self, encoded, items, step):
        terms = {}
        for edge in self.edges:
            if edge.candidates[0] in encoded.emb and edge.query in encoded.emb:
                query, key = (encoded.emb[n] for n in (edge.query, edge.candidates[0]))
                logits = normalize(query, dim=1) @ normalize(key, dim=1).T + torch.randn(())
                logits = logits + torch.randn(len(logits)) + self.calls / 10
                if items.label is not None:
                    logits = logits + items.label[:, 0].float()
                terms[edge.name] = cross_entropy(logits, torch.arange(len(logits)))
        return LossOut(terms, {e.name: e.weight for e in self.edges})

    def after_step(self, encoded, items, step):
        self.calls += 1

HOLLOW = ObjectiveEntry("hollow", "hollow_plugin:Careless", ObjectiveOptions, "", (), examples=())
CARELESS = ObjectiveEntry("careless", "hollow_plugin:Careless", ObjectiveOptions, "none", ("none",))
"""

NOTICED = (
    "test_it_gives_the_suite_something_to_test[hollow]",
    "test_the_order_of_the_rows_changes_nothing[careless-0]",
    "test_asking_twice_under_another_seed_of_torch_changes_nothing[careless-0]",
    "test_a_modality_absent_everywhere_equals_leaving_it_out[careless-0]",
    "test_absent_rows_get_exactly_no_gradient[careless-0]",
    "test_what_stands_in_absent_rows_changes_nothing[careless-0]",
    "test_rows_of_one_patient_are_never_compared[careless-0]",
    "test_its_state_is_saved_whole[careless-0]",
    "test_what_it_does_not_ask_for_changes_nothing[careless-0-labels]",
    "test_the_shares_of_all_processes_make_the_whole[careless-0-2]",
    "test_every_parameter_gets_a_gradient_and_moves[careless]",
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What the suite prints about a plugin with two objectives that are wrong."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "hollow_plugin.py").write_text(PLUGIN)
    info = folder / "hollow_plugin-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hollow-plugin\nVersion: 0.1\n")
    entry = "[workbench.objectives]\nhollow = hollow_plugin:HOLLOW\n"
    (info / "entry_points.txt").write_text(f"{entry}careless = hollow_plugin:CARELESS\n")
    suite = Path(__file__).parent / "test_invariants.py"
    line = [sys.executable, "-m", "pytest", str(suite), "-q", "-k", "hollow or careless",
            "-p", "no:cacheprovider", "--tb=no"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("name", NOTICED)
def test_a_broken_invariant_is_noticed(outcome, name):
    assert outcome.returncode == 1
    assert f"{name} " in outcome.stdout.replace("\n", " ")


def test_no_objective_is_skipped(outcome):
    assert "skipped" not in outcome.stdout
    assert "xfail" not in outcome.stdout
