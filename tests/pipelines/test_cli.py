"""The command: what each word prints, what it refuses, and the exit code it leaves."""

import json
import shutil
import sys

import pyarrow.parquet
import pytest

from pipelines import cli
from workbench import __version__


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that runs the command in this process: (exit code, stdout, stderr)."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run, for commands that write into it."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def row_of(finished):
    """Return the path of one ECG of the finished run."""
    rows = json.loads((finished / "cohort" / "cohort.json").read_text())["rows"]
    return finished / "cohort" / next(r["ecg"] for r in rows if r["ecg"])


def test_version(call):
    assert call("--version") == (0, f"workbench {__version__}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(call, flag):
    code, out, _ = call(flag)
    assert code == 0
    for word in ("run", "check", "evaluate", "embed", "search", "manifest", "list", "new", "report",
                 "doctor"):  # fmt: skip
        assert word in out


@pytest.mark.parametrize(
    "words",
    [["launch"], ["run"], ["run", "a", "b"], ["run", "quickstart", "--limit", "0"],
     ["run", "quickstart", "--epochs", "3"], ["search", "x"], ["embed", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_a_word_that_is_no_command_or_option_exits_2(call, words):
    code, _, err = call(*words)
    assert code == 2
    assert "Traceback" not in err
    assert err


def test_a_dry_run_says_what_would_be_done_and_does_nothing(call, small_file, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = call("run", small_file, "--out", tmp_path / "run", "--dry-run")
    assert code == 0
    assert "small (seed 3" in out
    assert "modality ecg: ecg, vit1d_tiny from scratch, lora" in out
    assert "pretrain ecg: 1 epochs" in out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_finished_run_prints_its_numbers_and_its_report(call, finished):
    code, out, _ = call("run", finished.parent / "small.yaml", "--out", finished)
    assert code == 0
    assert "Zero-shot · ecg → report" in out
    assert f"report: {finished / 'report.html'}" in out


@pytest.mark.parametrize(
    ("what", "word"),
    [("modalities", "medbio-workbench"), ("encoders", "vit1d_tiny"), ("objectives", "contrastive"),
     ("tasks", "retrieval"), ("datasets", "clinic"), ("recipes", "quickstart")],
)  # fmt: skip
def test_each_list_names_what_is_installed(call, what, word):
    code, out, _ = call("list", what)
    assert code == 0
    assert word in out
    assert word in call("list")[1]


def test_an_unknown_list_is_refused_with_the_nearest(call):
    code, _, err = call("list", "modality")
    assert code == 2
    assert err.startswith("E-CFG-013")
    assert "did you mean 'modalities'" in err


def test_check_counts_rows_and_cells(call, small_file):
    code, out, _ = call("check", small_file)
    assert code == 0
    assert "0 bad; nothing was changed" in out


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [(["check", "quickstrat"], "E-CFG-014", "did you mean 'quickstart'"),
     (["check", "FILE", "--set", "align.epochs=many"], "E-CFG", "epochs"),
     (["check", "FILE", "--set", "modalities.ecg.encoder.name=vit1d_tny"], "E-CFG-013", "vit1d_tiny"),
     (["run", "FILE", "--set", "evaluate=[{task: retrieval, query: egc, gallery: report}]"],
      "E-CFG-013", "did you mean 'ecg'")],
)  # fmt: skip
def test_a_mistake_is_refused_in_one_line(call, small_file, words, code, hint):
    found, out, err = call(*[small_file if w == "FILE" else w for w in words])
    assert found == 2
    assert out == ""
    assert err.startswith(code)
    assert hint in err
    assert err.count("\n") == 1


def test_check_refuses_more_bad_cells_than_allowed_and_names_the_first(call, tmp_path):
    (tmp_path / "rows.csv").write_text(
        "id,group,split,ecg,report\na,a,train,none.hea,x\nb,b,test,,y\n"
    )
    (tmp_path / "p.yaml").write_text(
        "name: p\nmanifest: {path: rows.csv}\n"
        "modalities: {ecg: {encoder: {name: vit1d_tiny}}, report: {encoder: {name: text_tiny}}}\n"
        "align: {epochs: 1}\n"
    )
    code, _, err = call("check", tmp_path / "p.yaml")
    assert code == 2
    assert "1 of 3 bad" in err
    assert "none.hea" in err
    assert call("check", tmp_path / "p.yaml", "--set", "manifest.max_bad=0.5")[0] == 0


def test_manifest_refuses_a_folder_that_is_no_dataset(call, tmp_path):
    code, _, err = call("manifest", "ptbxl", tmp_path, "-o", tmp_path / "m.csv")
    assert code == 2
    assert err.startswith("E-MAN")
    assert not (tmp_path / "m.csv").exists()
    assert call("manifest", "ptb", tmp_path, "-o", tmp_path / "m.csv")[0] == 2


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_manifest_writes_a_table(call, tmp_path, name):
    words = ["--set", "subjects=4", "--set", "seed=1"]
    code, out, _ = call("manifest", "clinic", tmp_path / "c", "-o", tmp_path / name, *words)
    assert code == 0
    assert f"written to {tmp_path / name}" in out
    assert (tmp_path / name).stat().st_size > 100


def test_new_writes_a_package_and_says_what_comes_next(call, tmp_path):
    code, out, _ = call("new", "modality", "slide", "--in", tmp_path)
    assert code == 0
    assert "pip install" in out
    assert (tmp_path / "workbench-slide" / "pyproject.toml").is_file()
    assert call("new", "modality", "slide", "--in", tmp_path)[0] == 2
    assert call("new", "model", "slide", "--in", tmp_path)[0] == 2


def test_doctor_lists_versions_and_finds_nothing_bad(call):
    code, out, _ = call("doctor")
    assert code == 0
    assert "torch " in out
    assert "nothing known to be bad" in out


def test_doctor_exits_2_when_something_is_known_to_break(call, monkeypatch):
    from pipelines import doctor

    monkeypatch.setitem(doctor.KNOWN_BAD, "numpy", "a test says so")
    code, out, _ = call("doctor")
    assert "known bad: numpy" in out
    assert code == 2


def test_report_is_written_again(call, copy):
    (copy / "report.html").unlink()
    code, out, _ = call("report", copy)
    assert code == 0
    assert out.strip() == str(copy / "report.html")
    assert (copy / "report.html").is_file()


@pytest.mark.parametrize("words", [["report"], ["search", "--in", "report", "--ecg", "x"]])
def test_a_folder_that_is_no_run_is_refused(call, tmp_path, words):
    code, _, err = call(words[0], tmp_path, *words[1:])
    assert code == 2
    assert err.startswith("E-CKP-011")


def test_search_prints_the_nearest_first(call, finished):
    path = row_of(finished)
    code, out, _ = call("search", finished, "--ecg", path, "--in", "report", "-k", "3")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines] == ["1", "2", "3"]
    assert float(lines[0][1]) >= float(lines[2][1])


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--egc", "x.hea"], "did you mean 'ecg'"), (["x.hea"], "--MODALITY FILE"),
     (["--ecg", "missing.hea"], "E-MAN-007")],
)  # fmt: skip
def test_search_refuses_a_query_it_cannot_answer(call, finished, words, said):
    code, _, err = call("search", finished, *words, "--in", "report")
    assert code == 2
    assert said in err


def test_embed_writes_vectors_of_new_rows_and_quarantines_the_bad(call, finished, tmp_path):
    path = row_of(finished)
    shutil.copytree(path.parent, tmp_path / "new")
    (tmp_path / "new" / "rows.csv").write_text(
        f"id,group,split,ecg\nn1,n1,test,{path.name}\nn2,n2,test,gone.hea\n"
    )
    code, out, _ = call("embed", finished, tmp_path / "new" / "rows.csv", "--out", tmp_path / "v")
    assert code == 0
    assert "ecg: 1 vectors" in out
    assert "1 cells quarantined" in out
    table = pyarrow.parquet.read_table(tmp_path / "v" / "ecg.parquet")
    assert table.column("id").to_pylist() == ["n1"]
    assert not (tmp_path / "v" / "report.parquet").exists()


def test_embed_refuses_a_table_with_no_modality_of_the_run(call, finished, tmp_path):
    (tmp_path / "rows.csv").write_text("id,group,split,photo\na,a,test,b.png\n")
    code, _, err = call("embed", finished, tmp_path / "rows.csv", "--out", tmp_path / "v")
    assert code == 2
    assert "photo" in err


def test_evaluate_gives_the_same_numbers_again(call, copy):
    before = (copy / "metrics.json").read_bytes()
    code, out, _ = call("evaluate", copy)
    assert code == 0
    assert "1 evaluated, 0 failed" in out
    assert (copy / "metrics.json").read_bytes() == before


def test_evaluate_goes_on_past_a_run_that_fails_and_exits_3(call, copy, tmp_path):
    code, out, err = call("evaluate", tmp_path / "nothing", copy)
    assert "1 evaluated, 1 failed" in out
    assert "nothing" in err
    assert code == 3


def test_evaluate_takes_its_tasks_from_another_file(call, copy, finished, tmp_path):
    text = (finished.parent / "small.yaml").read_text()
    task = "evaluate: [{task: retrieval, query: report, gallery: ecg}]\nreplicates: 20\n"
    (copy.parent / "other.yaml").write_text(text[: text.index("evaluate:")] + task)
    code, _, err = call("evaluate", copy, "--pipeline", copy.parent / "other.yaml")
    assert code == 0, err
    assert {r["task"] for r in json.loads((copy / "metrics.json").read_text())} == {"retrieval"}
