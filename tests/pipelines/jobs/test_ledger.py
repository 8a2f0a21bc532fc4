"""The ledger of a job: read back as written, with a digest of its own."""

from dataclasses import replace

import pytest
from example_stores import write_store

from pipelines.jobs.ledger import ledger_of, load_ledger
from pipelines.jobs.results import Results
from pipelines.jobs.stores import open_stores
from pipelines.jobs.tasks_file import read_tasks
from workbench.errors import Refusal


@pytest.fixture
def ledger(tmp_path, tasks_file):
    stores, _, _ = open_stores([write_store(tmp_path / n, seed=i) for i, n in enumerate("ab")])
    return ledger_of(stores, read_tasks(tasks_file), {"gone": "not there"})


def test_a_folder_without_a_job_is_refused(tmp_path):
    with pytest.raises(Refusal, match="E-JOB-005"):
        load_ledger(tmp_path)


def test_what_was_saved_comes_back(ledger, tmp_path):
    ledger.save(tmp_path)
    assert load_ledger(tmp_path) == ledger


def test_the_digest_follows_stores_and_tasks(ledger):
    assert replace(ledger, stores=ledger.stores[:1]).digest() != ledger.digest()
    assert replace(ledger, tasks=ledger.tasks[1:]).digest() != ledger.digest()


def test_all_that_has_no_numbers_is_missed(ledger, tmp_path):
    misses = ledger.misses(Results(tmp_path / "results"))
    assert misses[0] == ("gone", "", "not there")
    assert [m[:2] for m in misses[1:]] == [(s.name, t.name) for s, t, _ in ledger.units()]
    assert {m[2] for m in misses[1:]} == {"not computed"}
