"""Names that the tasks of a pipeline file may use: modalities, fused ones and several at once."""

import pytest

from pipelines.plan import make_plan
from workbench.errors import Refusal

FUSED = ["align.fuse={patient: {of: [ecg, xray]}}", "align.edges=[[patient, report]]"]
XRAY = "modalities.xray={encoder: {name: cnn_vit_tiny}}"


def plan(file, *tasks):
    return make_plan(file, [XRAY, *FUSED, f"evaluate=[{', '.join(tasks)}]"])


@pytest.mark.parametrize(
    ("task", "code", "words"),
    [
        ("{task: retrieval, query: patent, gallery: report}", "E-CFG-013",
         ["'patent'", "patient", "did you mean"]),
        ("{task: retrieval, query: [ecg, dna], gallery: report}", "E-CFG-013", ["'dna'"]),
        ("{task: retrieval, query: patient, gallery: xray}", "E-CFG-022",
         ["['xray'] in patient and in xray", "each on one side only"]),
        ("{task: retrieval, query: [ecg, xray], gallery: patient}", "E-CFG-022", ["'ecg', 'xray'"]),
        ("{task: probe, query: fused, label: ecg_finding}", "E-CFG-013", ["'fused'"]),
    ],
)  # fmt: skip
def test_a_name_without_vectors_or_a_question_that_holds_its_answer_is_refused(
    small_file, task, code, words
):
    with pytest.raises(Refusal) as caught:
        plan(small_file, task)
    for word in (code, *words):
        assert word in str(caught.value)


def test_fused_names_several_modalities_and_a_search_within_one_are_tasks(small_file):
    found = plan(
        small_file,
        "{task: retrieval, query: patient, gallery: report}",
        "{task: retrieval, query: report, gallery: [ecg, xray]}",
        "{task: retrieval, query: patient, gallery: patient, relation: same_group}",
    )
    assert [task.options.query for task in found.tasks] == ["patient", "report", "patient"]


SUM = "align.objective={name: sum, parts: [{name: contrastive}, {name: late}]}"


@pytest.mark.parametrize("objective", ["align.objective={name: late}", SUM])
def test_tokens_of_a_fused_vector_are_refused(small_file, objective):
    with pytest.raises(Refusal) as caught:
        make_plan(small_file, [XRAY, *FUSED, "evaluate=[]", objective])
    for word in ("E-CFG-023", "late", "patient is fused and has no tokens"):
        assert word in str(caught.value)
    assert make_plan(small_file, [XRAY, "evaluate=[]", objective]).objective.name in objective
