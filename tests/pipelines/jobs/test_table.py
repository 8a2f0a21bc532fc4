"""The table: its columns and kinds never depend on content, and neither date nor place is in it."""

import json
from dataclasses import fields

import pyarrow as pa
import pyarrow.parquet
import pytest

from eval.task import Metric
from pipelines.jobs.ledger import Ledger, StoreEntry, TaskEntry
from pipelines.jobs.results import Results, Unit
from pipelines.jobs.table import write_table

STORES = tuple(StoreEntry(name, name * 64, "", "") for name in "ab")
TASKS = tuple(TaskEntry(name, name * 64, "toy 1") for name in "xy")
LEDGER = Ledger(STORES, TASKS, {"gone": "E-EMB-001 no such folder"})


def metric(value, **more):
    return Metric(task="knn", query="ecg", metric="hit", split="test", model="given", value=value,
                  **more)  # fmt: skip


@pytest.fixture
def table(tmp_path):
    results = Results(tmp_path / "results")
    results.save(Unit("b" * 64, "y" * 64), [metric(0.1 + 0.2, k=5, flags=("few-groups",))], {})
    results.save(Unit("a" * 64, "x" * 64), [metric(None, reason="no row, none")], {"id": ["r"]})
    results.fail(Unit("a" * 64, "y" * 64), "RuntimeError: x, y")
    write_table(LEDGER, results, tmp_path)
    return tmp_path


def test_rows_stand_in_the_order_of_stores_and_tasks(table):
    rows = pa.parquet.read_table(table / "results.parquet").to_pylist()
    assert [(r["store"], r["task_name"]) for r in rows] == [("a", "x"), ("b", "y")]
    assert rows[0]["predictions"] == f"results/{'a' * 16}/{'x' * 16}.parquet"
    assert rows[1]["predictions"] is None


def test_every_column_of_a_metric_is_there_with_its_kind(table):
    schema = pa.parquet.read_schema(table / "results.parquet")
    assert {f.name for f in fields(Metric)} < set(schema.names)
    kinds = {n: str(schema.field(n).type) for n in ("value", "k", "n", "flags", "subgroup")}
    assert kinds == {"value": "double", "k": "int64", "n": "int64", "flags": "string",
                     "subgroup": "string"}  # fmt: skip


def test_numbers_are_exact_in_both_files_and_lists_are_json(table):
    row = pa.parquet.read_table(table / "results.parquet").to_pylist()[1]
    assert row["value"] == 0.1 + 0.2
    assert json.loads(row["flags"]) == ["few-groups"]
    again = pa.csv.read_csv(table / "results.csv").to_pylist()[1]
    assert again["value"] == 0.1 + 0.2


def test_failures_are_listed_with_their_reasons(table):
    rows = pa.csv.read_csv(table / "failures.csv").to_pylist()
    found = [(r["store"], r["task_name"], r["error"]) for r in rows]
    assert found == [
        ("gone", "", "E-EMB-001 no such folder"), ("a", "y", "RuntimeError: x, y"),
        ("b", "x", "not computed"),
    ]  # fmt: skip


def test_a_table_without_rows_has_its_columns(tmp_path):
    write_table(LEDGER, Results(tmp_path / "results"), tmp_path)
    assert len(pa.parquet.read_table(tmp_path / "results.parquet")) == 0
    assert (tmp_path / "results.csv").read_text().startswith('"store","task_name","task"')
