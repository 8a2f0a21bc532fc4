"""The suite itself: it fails for a modality that gives it nothing to test."""

import os
import subprocess
import sys
from pathlib import Path

EMPTY = """
from workbench.modality import Modality, Options, Spec

class Empty(Modality):
    spec = Spec("hollow", "point", "float32", "none", 0.0, 1.0, "path")
    options = Options
    encoders = {}
    findings = ()
    read = collate = augment = mask = contract = synthesize = preview = None

HOLLOW = Empty()
"""


def test_a_modality_without_findings_or_encoders_fails(tmp_path):
    (tmp_path / "hollow_plugin.py").write_text(EMPTY)
    info = tmp_path / "hollow_plugin-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hollow-plugin\nVersion: 0.1\n")
    entry = "[workbench.modalities]\nhollow = hollow_plugin:HOLLOW\n"
    (info / "entry_points.txt").write_text(entry)
    line = [sys.executable, "-m", "pytest", str(Path(__file__).parent), "-q", "-k", "hollow",
            "-p", "no:cacheprovider"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "findings: two or more" in done.stdout
    assert "test_every_finding_reads_as_the_spec_says[hollow]" in done.stdout
