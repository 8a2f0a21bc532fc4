"""`workbench evaluate` on stores and tasks: its words, what it prints, its exit codes."""

import sys

import pytest

from pipelines import cli


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that runs `workbench evaluate` in this process: (code, stdout, stderr)."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", "evaluate", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize(
    "words",
    [[], ["STORE", "--tasks", "TASKS", "--pipeline", "p.yaml"], ["--tasks", "TASKS"],
     ["STORE", "--tasks", "TASKS", "--shard", "3/2"], ["STORE", "--tasks", "TASKS", "--mode", "x"],
     ["STORE", "--tasks", "TASKS", "--executor", "x"], ["--merge", "nothing"],
     ["STORE", "--tasks", "TASKS", "--workers", "0"]],
    ids=" ".join,
)  # fmt: skip
def test_words_that_do_not_fit_together_exit_2_in_one_line(call, stranger, tasks_file, words):
    named = {"STORE": stranger, "TASKS": tasks_file}
    code, out, err = call(*[named.get(w, w) for w in words])
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_help_names_every_option(call):
    code, out, _ = call("--help")
    assert code == 0
    for word in ("--tasks", "--out", "--mode", "--shard", "--executor", "--workers", "--merge",
                 "--pipeline"):  # fmt: skip
        assert word in out


def test_a_job_prints_what_failed_and_where_the_table_is(call, stranger, tasks_file, tmp_path):
    code, out, err = call(stranger, "--tasks", tasks_file, "--out", tmp_path / "out")
    assert (code, out) == (0, f"3 done, 0 not\n{tmp_path / 'out' / 'results.parquet'}\n")
    assert err.count("stranger · ") == 3
    code, out, _ = call(stranger, tmp_path / "gone", "--tasks", tasks_file, "--out", tmp_path / "o")
    assert code == 4
    assert out.startswith("gone: E-EMB-001 ")
    assert "3 done, 1 not" in out


def test_a_shard_says_that_there_is_no_table_yet_and_merge_writes_it(
    call, stranger, tasks_file, tmp_path
):
    words = (stranger, "--tasks", tasks_file, "--out", tmp_path / "out")
    code, out, _ = call(*words, "--shard", "1/2")
    assert code == 0
    assert "1 done, 0 not\nno table yet" in out
    code, out, _ = call("--merge", tmp_path / "out")
    assert code == 4
    assert "not computed" in out
    assert (tmp_path / "out" / "results.csv").is_file()
