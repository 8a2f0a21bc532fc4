"""Decoding: what is stored comes back bit for bit, and a broken reader costs one cell, never a run."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines import decode
from workbench.errors import BadInput
from workbench.fingerprint import Fingerprint
from workbench.manifest import Manifest
from workbench.modality import Options, Sample, Source, Spec


class Fake:
    """A modality that reads a number, and misbehaves for the words that it is told to."""

    spec = Spec("fake", "point", "float32", "none", 0.0, 1e6, "path")

    def fingerprint(self, sample, options):
        return Fingerprint()

    def read(self, source, options):
        match source.value:
            case "die":
                os._exit(9)
            case "key":
                raise KeyError("Jane Example")
            case "bad":
                raise BadInput("E-FAK-001", file="bad", field="f", found="x", expected="y")
            case "empty":
                return Sample(np.zeros((0, 3), np.float32))
            case "masked":
                return Sample(np.arange(6, dtype=np.int16).reshape(2, 3), np.array([[True], [False]]),
                              {"rate_hz": 5.0, "text": "secret", "odd": object()},
                              ("F-FAK-002 odd",))  # fmt: skip
        return Sample(np.full(3, float(source.value), np.float32))


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(decode.registry, "modality", lambda name: Fake())
    return SimpleNamespace(key="mine", type="fake", options=Options())


def run(part, cells, folder):
    names = tuple(f"r{n}" for n in range(len(cells)))
    manifest = Manifest("m", names, names, ("train",) * len(cells), {})
    decode.decode(part, cells, manifest, folder)
    return decode.load_decoded(folder), decode.load_quarantine(folder)


def test_an_exception_of_a_reader_becomes_one_quarantined_cell(fake, tmp_path):
    decoded, refused = run(fake, ["1", "key", "3"], tmp_path)
    assert decoded.rows.tolist() == [0, 2]
    (line,) = refused
    assert (line["id"], line["modality"], line["code"]) == ("r1", "mine", "E-FAKE-999")
    assert "KeyError" in line["found"]
    assert "Jane" not in json.dumps(line)


def test_a_refused_cell_keeps_its_own_code(fake, tmp_path):
    _, refused = run(fake, ["bad"], tmp_path)
    assert refused[0]["code"] == "E-FAK-001"
    assert {"file", "field", "found", "expected"} <= set(refused[0])


def test_a_reader_that_kills_its_process_costs_only_its_cell(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "POOL_FROM", 4)
    monkeypatch.setattr(decode, "CHUNK", 3)
    cells = [str(n) for n in range(12)]
    cells[4], cells[9] = "die", "key"
    decoded, refused = run(fake, cells, tmp_path)
    assert decoded.rows.tolist() == [n for n in range(12) if n not in (4, 9)]
    assert [decoded.sample(i).data[0] for i in range(10)] == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]
    assert [line["id"] for line in refused] == ["r4", "r9"]
    assert {line["code"] for line in refused} == {"E-FAKE-999"}
    assert "crash" in refused[0]["found"]


def test_worker_processes_give_the_same_files_as_none(fake, tmp_path, monkeypatch):
    cells = ["5", "masked", "bad", "7", "empty", None, "8"]
    run(fake, cells, tmp_path / "one")
    monkeypatch.setattr(decode, "POOL_FROM", 1)
    monkeypatch.setattr(decode, "CHUNK", 2)
    run(fake, cells, tmp_path / "many")
    for name in ("arrays.bin", "index.json", "quarantine.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_arrays_masks_and_facts_come_back_as_they_were(fake, tmp_path):
    decoded, _ = run(fake, ["2", "masked", "empty"], tmp_path)
    given = Fake().read(Source("masked"), Options())
    found = decoded.sample(1)
    assert found.data.dtype == given.data.dtype
    np.testing.assert_array_equal(found.data, given.data)
    np.testing.assert_array_equal(found.valid, given.valid)
    assert found.flags == ("F-FAK-002 odd",)
    assert found.meta == {"rate_hz": 5.0}
    assert decoded.sample(0).valid is None
    assert decoded.sample(2).data.shape == (0, 3)
    assert decode.flag_counts(decoded) == {"F-FAK-002 odd": 1}


def test_what_was_stored_cannot_be_written_to(fake, tmp_path):
    decoded, _ = run(fake, ["2"], tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        decoded.sample(0).data[0] = 3


def test_equal_arrays_have_equal_digests_and_others_do_not(fake, tmp_path):
    decoded, _ = run(fake, ["2", "2.0", "3"], tmp_path)
    assert decoded.digests[0] == decoded.digests[1] != decoded.digests[2]


def test_no_cell_at_all_gives_an_empty_shelf(fake, tmp_path):
    decoded, refused = run(fake, [None, None], tmp_path)
    assert len(decoded.rows) == 0
    assert refused == []
