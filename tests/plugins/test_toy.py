"""A modality of a third party: installed beside the workbench, run with ours, judged by one suite."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
COHORT = """
from pathlib import Path
from workbench import registry
from workbench.seeding import keyed_rng

folder = Path("data")
folder.mkdir()
spectrum, ecg = registry.modality("spectrum"), registry.modality("ecg")
lines = ["id,group,split,spectrum,ecg,report,band"]
for n in range(40):
    rng = keyed_rng("toy", n)
    band, beat = (m.findings[int(rng.integers(4))] for m in (spectrum, ecg))
    cells = [m.synthesize(f.name, rng, folder) for m, f in ((spectrum, band), (ecg, beat))]
    if n % 5 == 0:
        cells[n // 5 % 2] = ""
    split = "train" if n < 24 else "val" if n < 30 else "test"
    lines.append(f"r{n:02},g{n:02},{split},{cells[0]},{cells[1]},"
                 f"{band.statements[0]} {beat.statements[0].replace(',', ' ')},{band.name}")
Path("rows.csv").write_text("\\n".join(lines) + "\\n")
"""
PIPELINE = """\
name: toy
seed: 1
manifest: {path: rows.csv, root: data}
modalities:
  spectrum: {encoder: {name: spectrum_tiny}, adapt: {lora: {rank: 4, alpha: 8}}}
  ecg:
    options: {seconds: 4}
    encoder: {name: vit1d_tiny, options: {width: 16, heads: 2, depth: 1, stem: 8}}
  report:
    options: {max_tokens: 48, vocabulary: 512}
    encoder: {name: text_tiny, options: {width: 16, heads: 2, blocks: 1}}
pretrain:
  spectrum: {epochs: 1, batch_size: 8, precision: fp32}
align: {edges: {anchor: report}, dim: 8, batch_size: 8, epochs: 2, precision: fp32}
evaluate:
  - {task: zero_shot, query: spectrum, label: band, prompts: prompts.yaml}
  - {task: retrieval, query: spectrum, gallery: report, relation: same_label, label: band}
replicates: 20
"""
PROMPTS = """\
name: toy
templates: ["The spectrum shows {}"]
classes: [{id: carotenoid}, {id: chlorophyll}, {id: iron oxide}, {id: water}]
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that the toy plugin is installed into, as pip installs any distribution."""
    folder = tmp_path_factory.mktemp("toy")
    source = folder / "source"
    shutil.copytree(CHECKOUT / "tests" / "plugins" / "toy", source)
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
            "--no-build-isolation", "--disable-pip-version-check",
            "--target", str(folder / "site"), str(source)]  # fmt: skip
    subprocess.run(line, check=True, capture_output=True, text=True)
    return folder / "site"


@pytest.fixture
def python(site):
    """Return a function that runs Python with the plugin installed."""

    def run(*words, cwd=None):
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        line = [sys.executable, *map(str, words)]
        return subprocess.run(
            line, capture_output=True, text=True, cwd=cwd, env=environment, check=False
        )

    return run


def test_it_is_not_installed_already():
    from workbench import registry

    assert "spectrum" not in registry.installed("modalities")


def test_it_is_listed_with_its_distribution(python):
    done = python("-m", "workbench", "list", "modalities")
    assert any(line.split()[0] == "spectrum" and line.endswith("workbench-toy-spectrum")
               for line in done.stdout.splitlines())  # fmt: skip


def test_it_runs_with_our_modalities_through_the_command(python, tmp_path):
    (tmp_path / "toy.yaml").write_text(PIPELINE)
    (tmp_path / "prompts.yaml").write_text(PROMPTS)
    made = python("-c", COHORT, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    done = python("-m", "workbench", "run", "toy.yaml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {r["query"] for r in rows} == {"spectrum", "report"}
    assert (tmp_path / "run" / "report.html").is_file()
    found = python("-m", "workbench", "search", "run", "--spectrum",
                   next((tmp_path / "data").glob("spectrum-*.csv")), "--in", "report", "-k", "2",
                   cwd=tmp_path)  # fmt: skip
    assert len(found.stdout.splitlines()) == 2, found.stderr


def test_it_passes_the_contract_suite(python):
    done = python("-m", "pytest", CHECKOUT / "tests" / "contract", "-q", "-k", "spectrum",
                  "-p", "no:cacheprovider", cwd=CHECKOUT)  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
