"""Runs compared from their predictions alone: refusals, both tables, what is written."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eval.compare import Contest
from eval.retrieval import Retrieval
from eval.space import Rows, Space, Vectors
from eval.task import Context
from pipelines.compare import about_of, compare
from pipelines.evaluate import write_predictions
from workbench.errors import Refusal

CONTEST = Contest(seed=3, replicates=100, permutations=200)


def space(noise, rows=60):
    rng = np.random.default_rng(0)
    ids = tuple(f"r{i:03d}" for i in range(rows))
    base = rng.standard_normal((rows, 8))
    vectors = {}
    for name, amount in (("ecg", noise), ("report", 0.0)):
        values = base + amount * rng.standard_normal((rows, 8))
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        vectors[name] = Vectors(ids, values.astype(np.float32))
    groups = tuple(f"p{i // 2}" for i in range(rows))
    return Space("trained", vectors, Rows(ids, groups, ("test",) * rows, {}))


def write_run(folder, noise=0.5, rows=60, entry="retrieval-ecg-report"):
    options = Retrieval.options(query="ecg", gallery="report")
    result = Retrieval().run(space(noise, rows), options, Context(1, Path(), 0))
    about = {"entry": entry, "model": "trained", "task": "retrieval", "classes": None,
             "options": options.model_dump(mode="json")}  # fmt: skip
    (folder / "predictions").mkdir(parents=True)
    write_predictions(result, folder / "predictions" / f"{entry}.parquet", about)
    return folder


def test_one_run_is_nothing_to_compare(tmp_path):
    run = write_run(tmp_path / "a")
    with pytest.raises(Refusal, match="at least two"):
        compare([run, run])


def test_a_folder_without_predictions_is_refused(tmp_path):
    with pytest.raises(Refusal, match="folder of a finished run"):
        compare([write_run(tmp_path / "a"), tmp_path / "nowhere"])


def test_predictions_that_do_not_say_what_they_are_are_refused(tmp_path):
    run = write_run(tmp_path / "a")
    (path,) = (run / "predictions").iterdir()
    pd.read_parquet(path).to_parquet(path)
    with pytest.raises(Refusal, match="evaluate` on the run again"):
        about_of(path)


def test_runs_over_other_test_rows_are_refused(tmp_path):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", rows=58)]
    with pytest.raises(Refusal, match="2 test rows only in a, 0 only in b"):
        compare(runs)


def test_runs_without_a_common_entry_are_refused(tmp_path):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", entry="other")]
    with pytest.raises(Refusal, match="no common entry"):
        compare(runs)


def test_both_tables_are_computed_and_written(tmp_path):
    runs = [write_run(tmp_path / name, noise) for name, noise in
            (("a", 0.2), ("b", 1.5), ("c", 0.2))]  # fmt: skip
    found = compare(runs, contest=CONTEST)
    board = found.leaderboard
    assert set(board["run"]) == {"a", "b", "c"}
    assert set(board[board["run"] == "a"]["rank"]) == {1}
    paired = found.differences
    worse = paired[(paired["run"] == "b") & (paired["metric"] == "mrr")]
    assert (worse["ci_high"] < 0).all()
    assert (worse["p_adjusted"] >= worse["p"]).all()
    assert (paired[paired["run"] == "c"]["value"] == 0).all()
    assert len(paired) == 2 * 2 * 4  # runs, directions, hit at 1, 5, 10 and mrr
    found.write(tmp_path / "out")
    for name, table in (("leaderboard", board), ("differences", paired)):
        again = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
        assert again["value"].tolist() == table["value"].tolist()
        assert len(pd.read_csv(tmp_path / "out" / f"{name}.csv")) == len(table)
    assert "<table" in (tmp_path / "out" / "compare.html").read_text()
    assert "difference" in found.text()


def test_a_name_in_the_page_is_escaped(tmp_path):
    run = write_run(tmp_path / "<b>bold")
    page = compare([run, write_run(tmp_path / "b")], contest=CONTEST)._repr_html_()
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


def test_the_command_prints_and_writes(tmp_path, monkeypatch, capsys):
    from pipelines.cli import main

    runs = [str(write_run(tmp_path / name)) for name in ("a", "b")]
    words = ["workbench", "compare", *runs, "--metric", "mrr", "--permutations", "100"]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    main()
    assert "MRR" in capsys.readouterr().out
    assert (tmp_path / "out" / "leaderboard.csv").is_file()
