"""Results on disk: done only when numbers are there, failures kept apart, equal bytes twice."""

import pyarrow.parquet
import pytest

from eval.task import Metric
from pipelines.jobs.results import Results, Unit
from workbench.errors import Failure

UNIT = Unit("a" * 64, "b" * 64)


def row(value=0.5, **more):
    return Metric(task="knn", query="ecg", metric="hit", split="test", model="given", value=value,
                  **more)  # fmt: skip


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def test_two_numbers_for_one_thing_are_refused(results):
    with pytest.raises(Failure, match="two metric rows have one key"):
        results.save(UNIT, [row(0.1), row(0.2)], {})
    results.save(UNIT, [row(0.1, k=1), row(0.2, k=2)], {})
    assert results.state(UNIT) == "done"


def test_a_number_that_is_not_finite_is_no_result(results):
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.save(UNIT, [row(float("nan"))], {})
    assert results.state(UNIT) == "missing"


def test_predictions_without_numbers_are_not_done(results):
    results.save(UNIT, [row()], {"id": ["r1"], "scores": [[0.1, 0.2]]})
    table = pyarrow.parquet.read_table(results.folder.parent / results.predictions(UNIT))
    assert table.to_pydict() == {"id": ["r1"], "scores": [[0.1, 0.2]]}
    (results.folder / f"{UNIT.stem}.json").unlink()
    assert results.state(UNIT) == "missing"


def test_a_failure_is_kept_until_the_task_succeeds(results):
    results.begin(UNIT)
    assert results.is_begun(UNIT)
    results.fail(UNIT, "no such label", "trace")
    assert (results.state(UNIT), results.error(UNIT)) == ("failed", "no such label")
    assert not results.is_begun(UNIT)
    results.save(UNIT, [row()], {})
    assert (results.state(UNIT), results.error(UNIT)) == ("done", None)


def test_a_failure_never_loses_numbers_of_before(results):
    results.save(UNIT, [row()], {})
    results.fail(UNIT, "out of memory")
    assert results.state(UNIT) == "done"
    assert results.rows(UNIT)[0]["value"] == 0.5
    assert results.error(UNIT) == "out of memory"


def test_saving_twice_changes_no_byte(results):
    def contents():
        results.save(UNIT, [row()], {"id": ["r1"]})
        return {p.name: p.read_bytes() for p in results.folder.rglob("*") if p.is_file()}

    assert contents() == contents()
