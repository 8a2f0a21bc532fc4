import copy
import json
from pathlib import Path

import pytest

from workbench.config import Pipeline
from workbench.errors import Refusal
from workbench.pipeline_file import load_pipeline

TEXT = """\
name: demo
seed: 7
manifest:
  path: rows.csv
modalities:
  ecg:
    column: path
    encoder: {name: vit1d_tiny}
    adapt: {lora: {rank: 16, alpha: 32}}
  report:
    encoder: {name: text_tiny}
align:
  edges: [[ecg, report]]
  objective: {name: contrastive, temperature: 0.07}
  epochs: 3
  learning_rate: 1e-3
evaluate:
  - {task: zero_shot, query: ecg, label: rhythm, prompts: p.yaml}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("align.learing_rate=1", ["E-CFG-001", "learing_rate", "did you mean 'learning_rate'"]),
        ("modalities.ecg.encodr=1", ["E-CFG-001", "encodr", "did you mean 'encoder'"]),
        ("modalities.ecg.adapt={lora: {rnk: 3}}", ["E-CFG-001", "rnk", "did you mean 'rank'"]),
        ("align.epochs=-1", ["align.epochs", "-1", "greater than 0"]),
        ("align.epochs=[1]", ["align.epochs", "[1]", "integer"]),
        ("align.learning_rate=.nan", ["align.learning_rate", "finite"]),
        ("manifest.dataset=ptbxl", ["manifest", "exactly one of path, synthetic, dataset"]),
        ("align.edges=[[ecg, dna]]", ["dna", "not under modalities"]),
        ("modalities.ecg.adapt=froze", ["adapt", "froze"]),
        ("name='../x'", ["name", "../x"]),
        ("nonsense", ["--set", "key.path=value"]),
        ("evaluate.7.query=x", ["position from 0 to 0"]),
    ],
)
def test_a_mistake_is_named_with_found_and_expected(file, override, words):
    with pytest.raises(Refusal) as caught:
        load_pipeline(file, [override])
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert caught.value.exit_code == 2


def test_a_misspelt_key_is_named_with_line_and_column(file):
    file.write_text(TEXT.replace("epochs: 3", "epoch: 3"))
    with pytest.raises(Refusal, match=r"p\.yaml:15:3: unknown key has 'align\.epoch'.*'epochs'"):
        load_pipeline(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refusal, match="no such file"):
        load_pipeline(tmp_path / "none.yaml")


def test_overrides_reach_nested_keys_and_list_items(file):
    pipeline, _ = load_pipeline(file, ["align.epochs=9", "evaluate.0.query=report", "seed=3"])
    assert (pipeline.align.epochs, pipeline.seed) == (9, 3)
    assert pipeline.evaluate[0].options["query"] == "report"


def test_a_number_in_scientific_notation_is_a_number(file):
    assert load_pipeline(file)[0].align.learning_rate == 1e-3


def test_objective_options_stand_beside_its_name(file):
    assert load_pipeline(file)[0].align.objective.options == {"temperature": 0.07}


@pytest.mark.parametrize(
    ("edges", "pairs"),
    [
        ("all", {("a", "b"), ("a", "c"), ("b", "c")}),
        ({"anchor": "c"}, {("c", "a"), ("c", "b")}),
        ([["a", "b"]], {("a", "b")}),
    ],
)
def test_edges_expand(edges, pairs):
    encoder = {"encoder": {"name": "x"}}
    whole = {
        "name": "x", "manifest": {"path": "m.csv"}, "align": {"edges": edges},
        "modalities": {k: copy.deepcopy(encoder) for k in "abc"},
    }  # fmt: skip
    assert set(Pipeline.model_validate(whole).edges()) == pairs


def test_the_shipped_schema_is_the_models_schema():
    shipped = Path(__file__).parents[2] / "workbench" / "pipeline.schema.json"
    assert json.loads(shipped.read_text()) == Pipeline.model_json_schema()
