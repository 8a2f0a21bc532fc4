from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from modalities.dna import DNA
from modalities.dna.alphabet import decode, encode, reverse_complement
from modalities.dna.synth import lineage
from workbench.modality import Sample


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError):
        DNA.options(max_len=10)


def test_importing_the_modality_loads_no_heavy_library():
    code = (
        "import sys, modalities.dna; "
        "print([m for m in ('torch','transformers','peft','Bio','pandas','matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_contract_is_json_and_changes_with_what_the_encoder_sees():
    base = DNA.contract(DNA.options())
    assert json.loads(json.dumps(base)) == base
    for change in ({"max_length": 640}, {"gaps": "keep"}, {"orientation": "keep"}):
        assert DNA.contract(DNA.options(**change)) != base
    assert DNA.contract(DNA.options(augment_trim=3)) == base


def test_codes_are_their_documented_numbers():
    assert encode(b"ACGTN").tolist() == [0, 1, 2, 3, 4]
    assert decode(reverse_complement(encode(b"AACGTTN"))) == "NAACGTT"


def test_the_preview_draws_one_row_per_110_bases():
    figure = DNA.preview(Sample(lineage("Aedes aegypti")))
    assert figure.axes[0].images[0].get_array().shape == (6, 110)
    assert figure.get_size_inches().tolist() == [3, 2]
    assert DNA.preview(Sample(np.zeros(1, dtype=np.uint8))).axes
