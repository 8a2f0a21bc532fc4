"""The tasks file: mistakes have a place; a digest follows all that may change a number."""

import pytest
from example_stores import TASKS

from pipelines.jobs.tasks_file import read_tasks
from workbench.errors import Refusal


def write(folder, text):
    path = folder / "tasks.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evaluate: []", "E-CFG-012"),
        ("seed: 1", "E-CFG-012"),
        ("- a", "expected keys and values"),
        ("evaluate: [{task: retreival, query: a}]", "did you mean 'retrieval'"),
        ("evaluate: [{task: knn, query: a, lable: b}]", "did you mean 'label'"),
        ("evaluate: [{task: knn, query: a, label: b}]\nreplicate: 3", "did you mean 'replicates'"),
    ],
)
def test_a_mistake_is_refused(tmp_path, text, said):
    with pytest.raises(Refusal) as caught:
        read_tasks(write(tmp_path, text))
    assert said in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refusal, match="E-CFG-014"):
        read_tasks(tmp_path / "none.yaml")


def test_names_are_unique_and_the_context_is_the_file_s(tmp_path):
    twice = TASKS + "  - {task: retrieval, query: ecg, gallery: report, k: [3]}\n"
    found = read_tasks(write(tmp_path, twice))
    assert [t.name for t in found.tasks] == [
        "retrieval-ecg-report-test", "retrieval-ecg-report-finding-test", "knn-ecg-finding-test",
        "retrieval-ecg-report-test-v2",
    ]  # fmt: skip
    assert (found.context.seed, found.context.replicates) == (4, 50)
    assert len({t.digest for t in found.tasks}) == 4


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [("seed: 4", "seed: 5", True), ("replicates: 50", "replicates: 51", True),
     ("k: [1, 5]", "k: [1, 6]", True), ("k: [1, 5]", "k: [1,  5]", False),
     ("k: [1, 5]", "k: [1, 5], split: test", False)],
)  # fmt: skip
def test_a_digest_follows_what_is_asked_and_not_how_it_is_written(tmp_path, old, new, changed):
    text = TASKS.replace("}\n", "}  \n")
    before = read_tasks(write(tmp_path, text)).tasks[2].digest
    after = read_tasks(write(tmp_path, text.replace(old, new))).tasks[2].digest
    assert (before != after) is changed


def test_a_digest_follows_the_files_that_options_name_and_not_their_folder(tmp_path):
    digests = []
    for name, word in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "prompts.yaml").write_text(f'classes: {{c0: ["{word}"], c1: ["z"]}}')
        text = "evaluate: [{task: zero_shot, query: e, label: l, prompts: prompts.yaml}]"
        digests.append(read_tasks(write(tmp_path / name, text)).tasks[0].digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_new_version_of_the_task_s_package_changes_its_digest(tmp_path, monkeypatch):
    before = read_tasks(write(tmp_path, TASKS)).tasks[0].digest
    monkeypatch.setattr("pipelines.jobs.tasks_file.metadata.version", lambda name: "99.0")
    assert read_tasks(write(tmp_path, TASKS)).tasks[0].digest != before
