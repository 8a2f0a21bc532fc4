from __future__ import annotations

import numpy as np
import pytest

from modalities.dna import DNA
from modalities.dna.frames import stops_by_frame
from modalities.dna.synth import BRANCHES, lineage
from workbench.modality import Source

NAMES = [finding.name for finding in DNA.findings]


def test_unknown_findings_are_refused(tmp_path):
    with pytest.raises(KeyError):
        DNA.synthesize("Homo sapiens", np.random.default_rng(0), tmp_path)


def test_every_finding_has_a_lineage_and_sentences():
    assert sorted(NAMES) == sorted(BRANCHES)
    for finding in DNA.findings:
        assert len(set(finding.statements)) >= 6
        assert len(set(finding.denials)) >= 3
        assert all(finding.name in text for text in finding.statements + finding.denials)


def test_the_same_state_writes_the_same_bytes(tmp_path):
    cells = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        cells.append(DNA.synthesize(NAMES[0], np.random.default_rng(5), tmp_path / name))
    assert cells[0] == cells[1]
    assert (tmp_path / "a" / cells[0]).read_bytes() == (tmp_path / "b" / cells[0]).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_reads_back_in_its_own_direction(tmp_path, name):
    for seed in range(10):
        cell = DNA.synthesize(name, np.random.default_rng(seed), tmp_path)
        sample = DNA.read(Source(cell, tmp_path), DNA.options())
        assert not [f for f in sample.flags if f[:9] in ("F-DNA-015", "F-DNA-016")]
        assert 230 <= len(sample.data) <= 658


@pytest.mark.parametrize("name", NAMES)
def test_lineages_are_open_in_their_second_frame(name):
    assert stops_by_frame(lineage(name), 5)[1] == 0


def test_distances_follow_the_tree():
    def apart(a, b):
        return float((lineage(a) != lineage(b)).mean())

    within = apart("Anopheles gambiae", "Anopheles stephensi")
    family = apart("Anopheles gambiae", "Aedes aegypti")
    across = apart("Anopheles gambiae", "Ixodes ricinus")
    assert 0.03 < within < family < across < 0.2
