"""`workbench new modality`: refuses what cannot work, writes a package that passes the suite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.scaffold import scaffold
from workbench.errors import Refusal

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["", "x-ray", "2d", "Slide", "class", "a", "../up", "_x", "x_"])
def test_a_name_that_is_no_word_is_refused(name, tmp_path):
    with pytest.raises(Refusal, match="a Python word in lower case"):
        scaffold("modality", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused_with_its_owner(tmp_path):
    with pytest.raises(Refusal, match=r"'ecg', registered by medbio-workbench"):
        scaffold("modality", "ecg", tmp_path)


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"new: kind has 'objective', expected modality"):
        scaffold("objective", "mine", tmp_path)


def test_an_existing_folder_is_refused_and_kept(tmp_path):
    mine = tmp_path / "workbench-slide" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(Refusal, match=r"workbench-slide already exists"):
        scaffold("modality", "slide", tmp_path)
    assert list(tmp_path.rglob("*.*")) == [mine]


def test_every_file_is_written_with_no_placeholder_left(tmp_path):
    said = scaffold("modality", "gait_trace", tmp_path / "new")
    root = tmp_path / "new" / "workbench-gait_trace"
    files = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    package = {f"workbench_gait_trace/{n}" for n in
               ("__init__.py", "read.py", "encoders.py", "synth.py", "CARD.md")}  # fmt: skip
    assert files == {"pyproject.toml", "README.md", "tests/test_gait_trace.py", *package}
    assert all(name in said for name in files)
    assert not [n for n in files if "{{" in (root / n).read_text()]
    assert "class GaitTrace(Modality[GaitTraceOptions])" in (
        root / "workbench_gait_trace" / "__init__.py").read_text()  # fmt: skip


@pytest.mark.slow
def test_the_package_installs_and_passes_its_tests_and_the_contract_suite(tmp_path):
    scaffold("modality", "gait_trace", tmp_path)
    package, site = tmp_path / "workbench-gait_trace", tmp_path / "site"
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
            "--no-build-isolation", "--disable-pip-version-check", "--target", str(site),
            str(package)]  # fmt: skip
    subprocess.run(line, check=True, capture_output=True, text=True)
    suite = CHECKOUT / "tests" / "contract"
    environment = {**os.environ, "PYTHONPATH": str(site), "WORKBENCH_CONTRACT": str(suite)}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package / "tests")]
    done = subprocess.run(tests, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
